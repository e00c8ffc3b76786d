import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
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
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Sentinel } from '../../../src/adapters/spool/sentinel.ts';
import type { Spool } from '../../../src/ports/spool.ts';
import { SpoolFolder, numbersOf, spoolRecord } from '../../support/spool-fixtures.ts';

const at = new SpoolFolder();
afterEach(() => at.clear());

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
      expect(at.logger.find(/records lost/)).toHaveLength(spool.contents.lostItems > 0 ? 1 : 0);
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
      // One of two slots is left where a bit is flipped.
      expect(at.logger.find(/not detectable/)).toHaveLength(kind === 'with a flipped bit' ? 0 : 1);
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
    expect(at.logger.find(/records lost/)).toHaveLength(1);
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
