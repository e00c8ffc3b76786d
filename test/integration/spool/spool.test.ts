import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { ClassicLevel } from 'classic-level';
import { Sentinel } from '../../../src/adapters/spool/sentinel.ts';
import type { FieldwatchError } from '../../../src/core/errors.ts';
import type { Spool } from '../../../src/ports/spool.ts';
import { type SmallDisk, mountedBy, openSmallDisk } from '../../support/small-disk.ts';
import { SpoolFolder, numbersOf, spoolRecord } from '../../support/spool-fixtures.ts';

const at = new SpoolFolder();
afterEach(() => at.clear());

const log = async (folder: string) =>
  (await readdir(join(folder, 'db')))
    .filter((name) => name.endsWith('.log'))
    .map((name) => join(folder, 'db', name))
    .at(-1) ?? '';

/** For as long as it waits for the lock, the clock goes on. */
async function openLocked(folder: string) {
  const ticking = setInterval(() => at.clock.advance(250), 1);
  return at.open(folder).finally(() => clearInterval(ticking));
}

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
    expect(at.logger.find(/are gone/)).toHaveLength(1);
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
    await expect(openLocked(folder)).rejects.toMatchObject({ code: 'SPOOL_LOCKED', kind: 'config' });
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

describe('statement 18: damaged files of the spool', () => {
  const damages = {
    missing: (path: string) => rm(path),
    empty: (path: string) => truncate(path, 0),
    'cut in half': async (path: string) => truncate(path, Math.floor((await stat(path)).size / 2)),
    'with a flipped bit': async (path: string) => {
      const bytes = await readFile(path);
      const at = Math.min(20, Math.floor(bytes.length / 2));
      bytes[at] = (bytes[at] ?? 0) ^ 4;
      await writeFile(path, bytes);
    },
    'another thing': (path: string) => writeFile(path, 'rubbish'),
  };
  const files = { CURRENT: /^CURRENT$/, manifest: /^MANIFEST/, log: /\.log$/, table: /\.ldb$/, all: /^[^L]/ };
  /** Holds a spool of 300 readings, with a table and a log; the first ten are drained. */
  let whole: string;

  beforeAll(async () => {
    const folder = await at.folder();
    const spool = await at.open(folder);
    for (let i = 0; i < 30; i++) await spool.append([spoolRecord(10, { from: i * 10, bytes: 5000 })]);
    await spool.remove(await spool.oldest('readings', { records: 1 }));
    await spool.close();
    whole = await mkdtemp(join(tmpdir(), 'fw-whole-'));
    await cp(dirname(folder), whole, { recursive: true });
  });
  afterAll(() => rm(whole, { recursive: true, force: true }));

  const copied = async () => {
    const folder = await at.folder();
    await cp(whole, dirname(folder), { recursive: true });
    return folder;
  };
  const damaged = async (names: RegExp, damage: (path: string) => Promise<unknown>) => {
    const folder = await copied();
    for (const name of await readdir(join(folder, 'db')))
      if (names.test(name)) await damage(join(folder, 'db', name));
    return folder;
  };
  const allOf = async (spool: Spool) => numbersOf(await spool.oldest('readings', { items: 1000 }));
  const items = (spool: Spool) => spool.contents.lanes.readings.items;

  const cases = Object.entries(files).flatMap(([file, names]) =>
    Object.entries(damages).map(([kind, damage]) => [file, kind, names, damage] as const),
  );
  test.each(cases)(
    '%s, %s: the spool opens, and what is gone is counted once',
    async (_, __, names, damage) => {
      const folder = await damaged(names, damage);
      const spool = await at.open(folder);
      expect(items(spool) + spool.contents.lostItems).toBe(290);
      expect(at.logger.find(/are gone/)).toHaveLength(spool.contents.lostItems > 0 ? 1 : 0);
      let left = 0;
      while (spool.contents.lanes.readings.records > 0) {
        const records = await spool.oldest('readings', { items: 100 });
        left += numbersOf(records).length;
        await spool.remove(records);
      }
      expect(left + spool.contents.damaged.items + spool.contents.lostItems).toBe(290);
      await spool.append([spoolRecord(1, { from: 999 })]);
      await spool.close();
      const again = await at.open(folder);
      expect(again.contents.lostItems).toBe(0);
      expect(numbersOf(await again.oldest('readings', { items: 10 }))).toEqual([999]);
    },
  );

  test.each(['missing', 'empty', 'with a flipped bit', 'another thing'] as const)(
    'the sentinel itself, %s: nothing is lost by it, and that a loss cannot be seen is said',
    async (kind) => {
      const folder = await copied();
      await damages[kind](`${folder}.sentinel`);
      const spool = await at.open(folder);
      expect(await allOf(spool)).toHaveLength(290);
      // Of two slots one is left where a bit is flipped.
      expect(at.logger.find(/cannot be detected/)).toHaveLength(kind === 'with a flipped bit' ? 0 : 1);
    },
  );

  test.each(['missing', 'another thing'] as const)(
    'the name of the spool, %s: nothing is lost',
    async (kind) => {
      const folder = await copied();
      await damages[kind](join(folder, 'id'));
      const spool = await at.open(folder);
      expect([(await allOf(spool)).length, spool.contents.lostItems]).toEqual([290, 0]);
      await spool.close();
      await rm(join(folder, 'db'), { recursive: true });
      expect((await at.open(folder)).contents.lostItems).toBe(290);
    },
  );

  const strangers = {
    'a folder': async (path: string) => {
      await mkdir(join(path, 'inside'), { recursive: true });
    },
    'a file': (path: string) => writeFile(path, 'rubbish'),
    'a pipe': async (path: string) => void spawnSync('mkfifo', [path]),
    'a link to itself': (path: string) => symlink(basename(path), path),
    'a link to nothing': (path: string) => symlink('/nowhere/at/all', path),
  };
  const places = {
    '.': ['a file', 'a pipe', 'a link to itself', 'a link to nothing'],
    '../spool.sentinel': ['a folder', 'a pipe', 'a link to itself', 'a link to nothing'],
    id: ['a folder', 'a link to nothing'],
    sentinel: ['a folder'],
    ballast: ['a folder', 'a pipe'],
    opening: ['a file', 'a link to itself'],
    damaged: ['a file', 'a pipe'],
    db: ['a file', 'a pipe', 'a link to itself', 'a link to nothing'],
    'db/CURRENT': ['a folder', 'a pipe', 'a link to itself'],
    'db/LOCK': ['a folder', 'a pipe', 'a link to nothing'],
    'db/LOG': ['a folder', 'a pipe'],
  } as const;
  test.each(Object.entries(places).flatMap(([place, kinds]) => kinds.map((kind) => [place, kind] as const)))(
    '%s is %s: it is moved aside, the spool opens, and what is gone is counted',
    async (place, kind) => {
      const folder = await copied();
      await rm(join(folder, place), { recursive: true, force: true });
      await strangers[kind](join(folder, place));
      const spool = await at.open(folder);
      const left = (await allOf(spool)).length;
      expect(left + spool.contents.lostItems).toBe(290);
      expect(at.logger.find(/moved aside/)).toHaveLength(1);
      await spool.append([spoolRecord(1, { from: 999 })]);
      await spool.close();
      expect((await at.open(folder)).contents.lanes.readings.items).toBe(left + 1);
      expect(at.logger.find(/moved aside/)).toHaveLength(1);
    },
  );

  test('what its owner may not read is opened to it again, and nothing is lost', async () => {
    const folder = await copied();
    for (const path of [`${folder}.sentinel`, join(folder, 'id'), join(folder, 'db')])
      await chmod(path, 0o000);
    expect(await allOf(await at.open(folder))).toHaveLength(290);
  });

  test.each([
    ['the store', (folder: string) => rm(join(folder, 'db'), { recursive: true })],
    ['the folder', (folder: string) => rm(folder, { recursive: true })],
    [
      'all that is in the folder',
      async (folder: string) => {
        await rm(folder, { recursive: true });
        await mkdir(folder);
      },
    ],
    [
      'the folder, with that of another daemon in its place',
      async (folder: string) => {
        const other = await at.folder();
        await (await at.open(other)).close();
        await rm(folder, { recursive: true });
        await rename(other, folder);
      },
    ],
  ])('%s is gone: what was in it is counted as lost, once', async (_, remove) => {
    const folder = await copied();
    await remove(folder);
    const spool = await at.open(folder);
    expect(spool.contents).toMatchObject({ lostItems: 290, lanes: { readings: { items: 0 } } });
    expect(at.logger.find(/are gone/)).toHaveLength(1);
    await spool.append([spoolRecord(1, { from: 999 })]);
    await spool.close();
    const again = await at.open(folder);
    expect([again.contents.lostItems, await allOf(again)]).toEqual([0, [999]]);
  });

  test('a folder that was moved away is whole when it is moved back', async () => {
    const folder = await copied();
    await rename(folder, `${folder}.away`);
    const between = await at.open(folder);
    expect(between.contents.lostItems).toBe(290);
    await between.append([spoolRecord(5, { from: 2000 })]);
    await between.close();
    await rm(folder, { recursive: true });
    await rename(`${folder}.away`, folder);
    const spool = await at.open(folder);
    expect([(await allOf(spool)).length, spool.contents.lostItems]).toEqual([290, 5]);
  });

  test('the sentinel of another spool takes nothing away', async () => {
    const folder = await copied();
    const other = await at.folder();
    const spool = await at.open(other);
    for (let i = 0; i < 50; i++) await spool.append([spoolRecord(1)]);
    await spool.remove(await spool.oldest('readings', { records: 40 }));
    await spool.close();
    await rename(`${other}.sentinel`, `${folder}.sentinel`);
    const found = await at.open(folder);
    expect([(await allOf(found)).length, found.contents.lostItems]).toEqual([290, 10]);
  });

  /** As versions before this one left it: the sentinel in the folder, and no name. */
  const former = async () => {
    const folder = await copied();
    const sentinel = new Sentinel(folder);
    const noted = await sentinel.read();
    if (typeof noted === 'string') throw new Error('no sentinel');
    for (let slot = 0; slot < 2; slot++) await sentinel.write({ ...noted, spoolId: '' });
    await sentinel.close();
    await rename(`${folder}.sentinel`, join(folder, 'sentinel'));
    await rm(join(folder, 'id'));
    return folder;
  };

  test('a sentinel in the folder, of an earlier version, counts once more and moves beside it', async () => {
    const folder = await former();
    await rm(join(folder, 'db'), { recursive: true });
    const spool = await at.open(folder);
    expect(spool.contents.lostItems).toBe(290);
    expect(await readdir(folder)).not.toContain('sentinel');
    await spool.append([spoolRecord(7)]);
    await spool.close();
    await rm(folder, { recursive: true });
    expect((await at.open(folder)).contents.lostItems).toBe(7);
  });

  test('after an earlier version was here in between, its sentinel holds', async () => {
    const folder = await former();
    // What this version had noted before: more was drained, under higher numbers.
    await cp(join(whole, 'spool.sentinel'), `${folder}.sentinel`);
    const stale = new Sentinel(folder);
    await stale.read();
    const lanes = { alerts: 1, unresolved: 1, readings: 500 };
    const none = { alerts: 0, unresolved: 0, readings: 0 };
    const parked = { records: 0, items: 0 };
    for (let slot = 0; slot < 50; slot++)
      await stale.write({
        spoolId: randomUUID(),
        head: lanes,
        next: lanes,
        records: none,
        items: none,
        parked,
      });
    await stale.close();
    const spool = await at.open(folder);
    expect([(await allOf(spool)).length, spool.contents.lostItems]).toEqual([290, 0]);
    await spool.close();
    const again = await at.open(folder);
    expect([(await allOf(again)).length, again.contents.lostItems]).toEqual([290, 0]);
  });

  // Root without its privileges stands for a user who starts the daemon on the files of another.
  const without = ['setpriv', '--bounding-set=-dac_override,-dac_read_search,-fowner', process.execPath];
  const byRoot = process.geteuid?.() === 0;
  (byRoot ? test : test.skip).each(['.', '../spool.sentinel', 'db', 'db/CURRENT'])(
    '%s belongs to another user (needs root): refused with the path, and nothing is moved',
    async (place) => {
      const folder = await copied();
      const path = join(folder, place);
      const mode = (await stat(path)).mode;
      await chown(path, 65_534, 65_534);
      await chmod(path, mode & 0o700);
      const before = await readdir(dirname(folder), { recursive: true });
      const [command = '', ...args] = [...without, 'test/support/spool-writer.js', folder, '100'];
      const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
      expect(status).toBe(1);
      expect(stderr).toContain(`this user may not use ${path} of the spool`);
      expect(stderr).toContain("code: 'SPOOL_RIGHTS'");
      expect(stderr).toContain('(chown -R); nothing was moved');
      expect(await readdir(dirname(folder), { recursive: true })).toEqual(before);
      expect(await allOf(await at.open(folder))).toHaveLength(290);
    },
  );
});

describe('statement 18: where the system fails and not the spool', () => {
  const names = (folder: string) => readdir(dirname(folder), { recursive: true });
  const kept = async () => {
    const folder = await at.folder();
    const spool = await at.open(folder);
    for (let i = 0; i < 10; i++) await spool.append([spoolRecord(10, { from: i * 10, bytes: 30_000 })]);
    await spool.close();
    return folder;
  };

  test('with too few open files (EMFILE) it is refused, and nothing is moved, repaired or lost', async () => {
    const folder = await kept();
    const script = 'ulimit -n 64 && exec "$@"';
    const args = ['-c', script, 'sh', process.execPath, 'test/support/spool-starved.js', folder, '12'];
    const { status, stdout } = spawnSync('sh', args, { encoding: 'utf8' });
    expect(status).toBe(0);
    const said = stdout.trim().split('\n');
    expect(said[0]).toBe('0 SPOOL_IO');
    expect(said.at(-1)).toBe('12 100+0');
    for (const line of said) expect(line).toMatch(/^\d+ (SPOOL_IO|100\+0)$/);
    expect((await names(folder)).filter((name) => /damaged|lost/.test(name))).toEqual([]);
  });

  test('a store without CURRENT that another process has open is not repaired under its hands', async () => {
    const folder = await kept();
    const spool = await at.open(folder);
    await rm(join(folder, 'db', 'CURRENT'));
    await expect(openLocked(folder)).rejects.toMatchObject({ code: 'SPOOL_LOCKED' });
    expect(numbersOf(await spool.oldest('readings', { items: 1000 }))).toHaveLength(100);
  });
});

describe('statement 18: where the system refuses a write half-way (RLIMIT_FSIZE)', () => {
  const MIB = 1024 ** 2;

  /** Appends records of these sizes where no file may grow beyond a limit: which were taken, or why not. */
  async function appended(folder: string, limitMib: number, sizes: readonly number[]): Promise<string[]> {
    // POSIX counts in blocks of 512 bytes.
    const script = `ulimit -f ${limitMib * 2048} && exec "$@"`;
    const writer = ['test/support/spool-writer.js', folder, sizes.join()];
    const { status, stdout, stderr } = spawnSync('sh', ['-c', script, 'sh', process.execPath, ...writer]);
    expect([status, String(stderr)]).toEqual([0, '']);
    return String(stdout).trim().split('\n');
  }

  test('what did not fit is refused, and what was confirmed before and after is kept', async () => {
    const folder = await at.folder();
    // A record of 6 MiB: its first part is in the log when the rest is refused.
    const sizes = [100_000, 6 * MIB, 100_000, 100_000, 6 * MIB, 100_000];
    expect(await appended(folder, 4, sizes)).toEqual(['0', 'SPOOL_IO', '2', '3', 'SPOOL_IO', '5']);
    const spool = await at.open(folder);
    expect(numbersOf(await spool.oldest('readings', { items: 100 }))).toEqual([0, 2, 3, 5]);
    expect(spool.contents.damaged.records).toBe(0);
    await spool.append([spoolRecord(1, { from: 7, bytes: 6 * MIB })]);
    expect(numbersOf(await spool.oldest('readings', { items: 100 }))).toEqual([0, 2, 3, 5, 7]);
  });

  test('nothing is taken where there is no room for the ballast', async () => {
    const folder = await at.folder();
    expect(await appended(folder, 2, [100, 100])).toEqual(['SPOOL_FULL', 'SPOOL_FULL']);
    const spool = await at.open(folder);
    expect(await spool.oldest('readings', { items: 100 })).toEqual([]);
    await spool.append([spoolRecord(1)]);
  });
});

const by = mountedBy();

(by === undefined ? describe.skip : describe)(
  'statement 18: on a 16 MB disk that is filled to the brim (needs root, or a namespace that may mount)',
  () => {
    let disk: SmallDisk;
    let folder: string;
    beforeEach(async () => {
      disk = await openSmallDisk(by);
      folder = join(disk.folder, 'spool');
    });
    afterEach(async () => {
      await at.clear();
      await disk?.close();
    });

    /** Appends until it is refused; the numbers of what was taken. */
    const fill = async (spool: Spool, from = 0) => {
      const taken: number[] = [];
      for (let i = from; ; i++) {
        try {
          await spool.append([spoolRecord(10, { from: i * 10, bytes: 10_000 })]);
          for (let n = 0; n < 10; n++) taken.push(i * 10 + n);
        } catch (error) {
          return { taken, error: error as FieldwatchError };
        }
      }
    };
    const all = async (spool: Spool) => numbersOf(await spool.oldest('readings', { items: 1e6 }));

    test('refuses what does not fit, keeps what it confirmed, and goes on once there is room', async () => {
      const spool = await at.open(folder);
      const { taken, error } = await fill(spool);
      expect(error).toMatchObject({ code: 'SPOOL_FULL' });
      expect(taken.length).toBeGreaterThan(300);
      expect(await all(spool)).toEqual(taken);
      await spool.remove(await spool.oldest('readings', { items: 1e6 }));
      expect((await fill(spool, 1000)).taken.length).toBeGreaterThan(300);
    });

    (by === 'root' ? test : test.skip)(
      'a disk that became read-only is refused, and nothing is moved (needs root)',
      async () => {
        const spool = await at.open(folder);
        await spool.append([spoolRecord(10)]);
        await spool.close();
        const before = await readdir(disk.folder, { recursive: true });
        const remount = (how: string) => spawnSync('mount', ['-o', `remount,${how}`, disk.folder]);
        remount('ro');
        await expect(at.open(folder)).rejects.toMatchObject({ code: 'SPOOL_IO', kind: 'transient' });
        remount('rw');
        expect(await readdir(disk.folder, { recursive: true })).toEqual(before);
        expect(await all(await at.open(folder))).toHaveLength(10);
      },
    );

    test('survives that another program takes the last byte, also through a restart', async () => {
      const spool = await at.open(folder);
      const taken: number[] = [];
      for (let i = 0; i < 30; i++) {
        await spool.append([spoolRecord(10, { from: i * 10, bytes: 10_000 })]);
        for (let n = 0; n < 10; n++) taken.push(i * 10 + n);
      }
      await disk.fill();
      await expect(spool.append([spoolRecord(10, { bytes: 10_000 })])).rejects.toMatchObject({
        kind: 'transient',
      });
      expect(await all(spool)).toEqual(taken);
      await spool.close();
      const again = await at.open(folder);
      expect(await all(again)).toEqual(taken);
      // Now that even the ballast is gone, nothing can be written: not even that something may be forgotten.
      await disk.fill();
      const oldest = await again.oldest('readings', { items: 100 });
      await expect(again.remove(oldest)).rejects.toMatchObject({ code: 'SPOOL_IO', kind: 'transient' });
      await disk.clear();
      expect(await all(again)).toEqual(taken);
      await again.remove(await again.oldest('readings', { items: 1e6 }));
      await again.append([spoolRecord(1, { from: 5 })]);
      expect(await all(again)).toEqual([5]);
    });
  },
);
