import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { ClassicLevel } from 'classic-level';
import { SpoolFolder, numbersOf, spoolRecord } from '../../support/spool-fixtures.ts';

const at = new SpoolFolder();
afterEach(() => at.clear());

const log = async (folder: string) =>
  (await readdir(join(folder, 'db')))
    .filter((name) => name.endsWith('.log'))
    .map((name) => join(folder, 'db', name))
    .at(-1) ?? '';

describe('statement 18: the spool on disk', () => {
  test('keeps records as they are across a restart, in order, by lane', async () => {
    const folder = await at.folder();
    const first = await at.open(folder);
    const letter = {
      id: 'a',
      receivedAtMs: 5,
      topic: 'x',
      payload: Uint8Array.of(0, 255),
      reason: 'r',
      detail: undefined,
    };
    await first.append([spoolRecord(2), { ...spoolRecord(1, { from: 2 }), deadLetters: [letter] }]);
    await first.append([spoolRecord(1, { from: 9, lane: 'alerts' })]);
    await first.close();

    const spool = await at.open(folder);
    expect(spool.contents.lanes).toMatchObject({
      readings: { records: 2, items: 4 },
      alerts: { records: 1, items: 1 },
    });
    const records = await spool.oldest('readings', { items: 100 });
    expect(numbersOf(records)).toEqual([0, 1, 2]);
    expect([...(records[1]?.deadLetters[0]?.payload ?? [])]).toEqual([0, 255]);
    expect(records[0]?.readings[0]?.message).toMatchObject({ topic: 't', receivedAtMs: 1 });
    expect(numbersOf(await spool.oldest('readings', { items: 1 }))).toEqual([0, 1]);

    await spool.remove(records);
    expect(spool.contents.lanes.readings).toEqual({ records: 0, items: 0, bytes: 0 });
    expect(await spool.oldest('readings', { items: 100 })).toEqual([]);
    expect(numbersOf(await spool.oldest('alerts', { items: 100 }))).toEqual([9]);
  });

  test('loses nothing that it confirmed when the process is killed', async () => {
    const folder = await at.folder();
    const writer = spawn(process.execPath, ['test/support/spool-writer.js', folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const confirmed: number[] = [];
    for await (const line of createInterface({ input: writer.stdout })) {
      confirmed.push(Number(line));
      if (confirmed.length === 700) writer.kill('SIGKILL');
    }
    if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit');
    const spool = await at.open(folder);
    const kept = numbersOf(await spool.oldest('readings', { items: 100_000 }));
    expect(kept.slice(0, confirmed.length)).toEqual(confirmed);
    expect(kept.length - confirmed.length).toBeLessThanOrEqual(1);
    expect(spool.contents.damaged.records).toBe(0);
  });

  test('cuts a torn tail off', async () => {
    const folder = await at.folder();
    const first = await at.open(folder);
    for (let i = 0; i < 5; i++) await first.append([spoolRecord(1, { from: i })]);
    await first.close();
    const path = await log(folder);
    await truncate(path, (await stat(path)).size - 7);
    const spool = await at.open(folder);
    expect(numbersOf(await spool.oldest('readings', { items: 100 }))).toEqual([0, 1, 2, 3]);
    await spool.append([spoolRecord(1, { from: 7 })]);
    expect(numbersOf(await spool.oldest('readings', { items: 100 }))).toEqual([0, 1, 2, 3, 7]);
  });

  test('skips a bad record, counts it and keeps it aside', async () => {
    const folder = await at.folder();
    const first = await at.open(folder);
    for (let i = 0; i < 3; i++) await first.append([spoolRecord(2, { from: i * 10 })]);
    await first.close();
    const level = new ClassicLevel<string, Uint8Array>(join(folder, 'db'), { valueEncoding: 'view' });
    const [, [key, value]] = (await level.iterator().all()) as [unknown, [string, Uint8Array]];
    value[value.length - 3] = (value[value.length - 3] ?? 0) ^ 1;
    await level.put(key, value);
    await level.close();

    const spool = await at.open(folder);
    const before = await spool.oldest('readings', { items: 100 });
    expect(numbersOf(before)).toEqual([0, 1]);
    await spool.remove(before);
    expect(numbersOf(await spool.oldest('readings', { items: 100 }))).toEqual([20, 21]);
    expect(spool.contents.damaged).toMatchObject({ records: 1, items: 2 });
    expect(spool.contents.lanes.readings).toMatchObject({ records: 1, items: 2 });
    expect(at.logger.find(/damaged record/)).toHaveLength(1);
    const [file = ''] = await readdir(join(folder, 'damaged'));
    expect(new Uint8Array(await readFile(join(folder, 'damaged', file)))).toEqual(new Uint8Array(value));
  });

  test('reports records that the log lost in its middle, and keeps the log', async () => {
    const folder = await at.folder();
    const first = await at.open(folder);
    for (let i = 0; i < 30; i++) await first.append([spoolRecord(10, { from: i * 10, bytes: 1000 })]);
    await first.close();
    const path = await log(folder);
    const bytes = await readFile(path);
    bytes.fill(0xaa, 100_000, 100_050);
    await writeFile(path, bytes);
    const spool = await at.open(folder);
    const kept = await spool.oldest('readings', { items: 1000 });
    expect(kept.length).toBeLessThan(30);
    expect(spool.contents.damaged.records).toBe(30 - kept.length);
    expect(at.logger.find(/records lost/)).toHaveLength(1);
    expect(await readdir(join(folder, 'damaged'))).toHaveLength(1);
  });

  test('starts with a new store where the old one cannot be repaired', async () => {
    const folder = await at.folder();
    await (await at.open(folder)).close();
    const db = join(folder, 'db');
    for (const name of await readdir(db)) if (name !== 'LOCK') await writeFile(join(db, name), 'rubbish');
    const spool = await at.open(folder);
    await spool.append([spoolRecord(1)]);
    expect(at.logger.find('error').length).toBeGreaterThan(0);
    expect(numbersOf(await spool.oldest('readings', { items: 10 }))).toEqual([0]);
  });

  test('is full at max_bytes and at max_age, and takes more once there is room', async () => {
    const folder = await at.folder();
    const spool = await at.open(folder, { maxBytes: 40_000, maxAgeMs: 1000 });
    await spool.append([spoolRecord(20, { bytes: 1000 })]);
    const more = () => spool.append([spoolRecord(20, { bytes: 1000 })]);
    await expect(more()).rejects.toMatchObject({ code: 'SPOOL_FULL', kind: 'transient' });
    await spool.remove(await spool.oldest('readings', { items: 100 }));
    await more();
    await spool.remove(await spool.oldest('readings', { items: 100 }));
    await spool.append([{ ...spoolRecord(1), clock: 'an era' }]);
    const [record] = await spool.oldest('readings', {});
    expect(record?.clock).toBe('an era');
    // The clock was set, and nothing is older by that.
    at.clock.jump(86_400_000);
    await spool.append([spoolRecord(1)]);
    at.clock.advance(1001);
    await expect(spool.append([spoolRecord(1)])).rejects.toMatchObject({ code: 'SPOOL_FULL' });
  });

  test('reads a record of a lane once, however many lie behind it, and joins them up to a bound', async () => {
    const folder = await at.folder();
    const spool = await at.open(folder);
    for (let i = 0; i < 10; i++)
      await spool.append(Array.from({ length: 60 }, () => spoolRecord(0, { lane: 'alerts' })));
    // One look per record at whether its lines are out.
    const looks = jest.spyOn(ClassicLevel.prototype, 'get');
    let drained = 0;
    for (let pieces = 1; spool.contents.lanes.alerts.records > 0; pieces++) {
      const records = await spool.oldest('alerts', { records: 50 });
      expect(records).toHaveLength(50);
      await spool.remove(records);
      expect(looks).toHaveBeenCalledTimes((drained += 50));
      expect(pieces).toBeLessThanOrEqual(12);
    }
    looks.mockRestore();
    await spool.append([spoolRecord(1, { bytes: 5000 }), spoolRecord(1, { from: 1, bytes: 5000 })]);
    expect(await spool.oldest('readings', { bytes: 9000 })).toHaveLength(1);
    expect(await spool.oldest('readings', { bytes: 10 })).toHaveLength(1);
  });

  test('belongs to one daemon', async () => {
    const folder = await at.folder();
    await at.open(folder);
    await expect(at.openLocked(folder)).rejects.toMatchObject({ code: 'SPOOL_LOCKED', kind: 'config' });
  });

  test('remembers what was published, and parks without the states', async () => {
    const folder = await at.folder();
    const first = await at.open(folder);
    const alerts = {
      states: [{ detail: {} } as never],
      raised: [],
      resolved: [],
      notifications: [{} as never],
    };
    const [record] = await first.append([{ ...spoolRecord(1, { lane: 'alerts' }), alerts }]);
    if (record === undefined) throw new Error('nothing appended');
    await first.markNotified(record);
    await first.close();

    const spool = await at.open(folder);
    const [published] = await spool.oldest('alerts', { items: 1 });
    expect(published).toMatchObject({ notified: true });
    if (published === undefined) throw new Error('nothing kept');
    await spool.park(published);
    expect(spool.contents).toMatchObject({ parked: { records: 1 }, lanes: { alerts: { records: 0 } } });
    await spool.close();

    const again = await at.open(folder);
    await again.unpark();
    expect(again.contents).toMatchObject({ parked: { records: 0 }, lanes: { alerts: { records: 1 } } });
    const [back] = await again.oldest('alerts', { items: 1 });
    expect(back).toMatchObject({ notified: false, alerts: { states: [], notifications: [] } });
  });
});
