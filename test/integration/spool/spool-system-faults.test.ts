import { spawnSync } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { FieldwatchError } from '../../../src/core/errors.ts';
import type { Spool } from '../../../src/ports/spool.ts';
import { type SmallDisk, mountedBy, openSmallDisk } from '../../support/small-disk.ts';
import { SpoolFolder, numbersOf, spoolRecord } from '../../support/spool-fixtures.ts';

const at = new SpoolFolder();
afterEach(() => at.clear());

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

  test('a store without CURRENT that another process has open is not repaired while it is open', async () => {
    const folder = await kept();
    const spool = await at.open(folder);
    await rm(join(folder, 'db', 'CURRENT'));
    await expect(at.openLocked(folder)).rejects.toMatchObject({ code: 'SPOOL_LOCKED' });
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
