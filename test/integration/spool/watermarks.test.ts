import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { openLevel } from '../../../src/adapters/spool/open-level.ts';
import { WatermarkLog } from '../../../src/adapters/spool/watermark-log.ts';
import { type Watermarks, eachWatermark, watermarksOf } from '../../../src/core/alert/engine/watermarks.ts';
import { SpoolFolder, spoolRecord } from '../../support/spool-fixtures.ts';

const at = new SpoolFolder();
afterEach(() => at.clear());

/** `[sensor, metric, time, value]` each. */
const marks = (...all: [number, string, number, number][]) =>
  watermarksOf(all.map(([sensorId, metric, timeUs, value]) => ({ sensorId, metric, timeUs, value })));
const listed = (found: Watermarks) =>
  [...eachWatermark(found)].map(({ sensorId, metric, timeUs, value }) => `${sensorId} ${metric} ${timeUs}=${value}`).sort(); // prettier-ignore

describe('statement 18: up to where readings in the spool were evaluated', () => {
  test('is there with the record that it came with, the newest of each series, also after a crash', async () => {
    const folder = await at.folder();
    const spool = await at.open(folder);
    await spool.append([spoolRecord(1)], marks([1, 'temperature', 10, 20.5], [2, 'temperature', 9, 1]));
    await spool.append([spoolRecord(1)], marks([1, 'temperature', 30, 21]));
    await spool.append([], marks([1, 'humidity', 20, 50], [2, 'temperature', 8, 0]));
    await spool.append([spoolRecord(1)]);
    // As a process leaves it that is killed.
    const copy = await at.folder();
    await cp(folder, copy, { recursive: true });
    const again = await at.open(copy);
    expect(listed(await again.watermarks())).toEqual([
      '1 humidity 20=50',
      '1 temperature 30=21',
      '2 temperature 9=1',
    ]);
    expect(again.contents.lanes.readings.records).toBe(3);
  });

  test('is forgotten once everything has drained, or at a word', async () => {
    const spool = await at.open(await at.folder());
    await spool.append(
      [spoolRecord(1), spoolRecord(1, { lane: 'alerts' })],
      marks([1, 'temperature', 10, 20]),
    );
    await spool.remove(await spool.oldest('alerts', {}));
    expect(listed(await spool.watermarks())).toEqual(['1 temperature 10=20']);
    await spool.remove(await spool.oldest('readings', {}));
    expect(listed(await spool.watermarks())).toEqual([]);
    await spool.append([spoolRecord(1)], marks([1, 'temperature', 11, 20]));
    await spool.forgetWatermarks();
    expect(listed(await spool.watermarks())).toEqual([]);
  });

  test('takes no more room than the series need, however often it moves', async () => {
    const folder = await at.folder();
    const spool = await at.open(folder);
    const of = (timeUs: number) =>
      watermarksOf(Array.from({ length: 1000 }, (_, sensorId) => ({ sensorId, metric: 'temperature', timeUs, value: timeUs }))); // prettier-ignore
    for (let timeUs = 1; timeUs <= 60; timeUs++) await spool.append([], of(timeUs));
    expect(listed(await spool.watermarks())).toEqual(listed(of(60)));
    await spool.close();
    const level = await openLevel(folder, at, 'open');
    const bytes = (await level.values().all()).reduce((sum, { length }) => sum + length, 0);
    await level.close();
    expect(bytes).toBeLessThan(600_000);
  });

  test('an append that failed moves nothing, though it may be on disk', async () => {
    const level = await openLevel(await at.folder(), at, 'open');
    const log = new WatermarkLog(at.logger);
    await log.open(level, false);
    const put = async (more: Watermarks) => {
      const { operations, written } = await log.adding(level, more);
      await level.batch(operations);
      return written;
    };
    (await put(marks([1, 'temperature', 10, 20])))();
    await put(marks([1, 'temperature', 99, 30]));
    await log.open(level, true);
    expect(listed(await log.read(level))).toEqual(['1 temperature 10=20']);
    const next = new WatermarkLog(at.logger);
    await next.open(level, false);
    expect(listed(await next.read(level))).toEqual(['1 temperature 10=20']);
    await level.close();
  });

  test('a damaged one is said, and costs what it says', async () => {
    const folder = await at.folder();
    const first = await at.open(folder);
    await first.append([spoolRecord(1)], marks([1, 'temperature', 10, 20]));
    await first.append([spoolRecord(1)], marks([2, 'temperature', 10, 20]));
    await first.close();
    const level = await openLevel(folder, at, 'open');
    const [[key, value] = ['', new Uint8Array()]] = await level.iterator({ gte: 'w', lt: 'w;' }).all();
    value[value.length - 1] = (value.at(-1) ?? 0) ^ 1;
    await level.put(key, value);
    await level.close();
    const spool = await at.open(join(folder));
    expect(listed(await spool.watermarks())).toEqual(['2 temperature 10=20']);
    expect(at.logger.find(/alerts may be repeated/)).toHaveLength(1);
  });
});
