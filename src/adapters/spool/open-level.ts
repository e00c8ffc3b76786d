import { type FileHandle, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClassicLevel } from 'classic-level';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { type RetryPolicy, retried } from '../../lib/retry.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import { LEVEL_RESERVE_BYTES } from './disk-reserve.ts';

export type LevelStore = ClassicLevel<string, Uint8Array>;

/** A daemon that is being replaced releases its lock at the end of an orderly stop. */
const LOCKED: RetryPolicy = {
  attempts: 20,
  waitMs: () => 250,
  isRetried: (error) => codeOf(error) === 'LEVEL_LOCKED',
};

/**
 * LevelDB is a native module, with ready-made builds for the usual systems and no other: it is loaded when a spool is
 * opened, so that everything else runs where there is no build. Rejects with SPOOL_UNAVAILABLE.
 */
async function loadLevel(): Promise<typeof ClassicLevel> {
  try {
    return (await import('classic-level')).ClassicLevel;
  } catch (error) {
    const { platform, arch, version } = process;
    throw new FieldwatchError(
      `the spool needs the native module classic-level, and it does not load on ${platform}-${arch} with Node ${version}: ${firstLine(error)}`,
      {
        code: 'SPOOL_UNAVAILABLE',
        kind: 'config',
        cause: error,
        remedy:
          'Set spool.enabled: false to run without a spool (messages then wait at the broker while the database is away), or build the module here: npm rebuild classic-level --build-from-source.',
      },
    );
  }
}

const firstLine = (error: unknown): string => messageOf(error).split('\n', 1)[0] ?? '';

export interface LevelDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Opens the store in `folder/db`, whatever state it is in: a torn tail is cut off by LevelDB itself, a corrupt store is
 * repaired (`repair`: also one that opens), and one that cannot be repaired is moved aside. Only damage of the store itself
 * leads there: where the disk or the system fails, nothing is touched.
 * Rejects with SPOOL_LOCKED (another daemon), SPOOL_IO (the disk), SPOOL_UNAVAILABLE (no native module).
 */
export async function openLevel(
  folder: string,
  { clock, logger }: LevelDeps,
  how: 'open' | 'repair',
): Promise<LevelStore> {
  const path = join(folder, 'db');
  const headless = await isHeadless(path);
  try {
    // Also where it is known to be futile: a store that another process has open is not repaired meanwhile.
    const level = await retried(clock, LOCKED, () => tryOpen(path, !headless));
    if (how === 'open') return level;
    await level.close();
    logger.error({ folder }, 'spool: damaged, repairing');
  } catch (error) {
    const damaged = codeOf(error) === 'LEVEL_CORRUPTION' || (headless && codeOf(error) !== 'LEVEL_LOCKED');
    if (!damaged) await assertDamage(path, error);
    logger.error({ folder, error: messageOf(error) }, 'spool: cannot be opened, repairing');
  }
  try {
    await (await loadLevel()).repair(path);
    return await tryOpen(path);
  } catch (error) {
    await assertDamage(path, error);
    const aside = join(folder, `db.damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`);
    await rename(path, aside);
    logger.error(
      { folder: aside, error: messageOf(error) },
      'spool: beyond repair, moved aside and replaced by an empty one',
    );
    return await tryOpen(path);
  }
}

/** More files than LevelDB opens in addition to those of the store. */
const SPARE_FILES = 16;

/**
 * LevelDB has one code for a table that is missing and for a disk that fails. So what it needs is tried here: the files of the
 * store, all open at once and readable, and room for what it writes at a start. Where that works the store itself is at fault.
 * Rejects with the error of the system, or with the given one where the system has no fault to report.
 */
export async function assertDamage(path: string, error: unknown): Promise<void> {
  if (!['LEVEL_IO_ERROR', 'LEVEL_CORRUPTION'].includes(codeOf(error) ?? '')) throw error;
  const files: FileHandle[] = [];
  const probe = join(path, 'probe');
  try {
    for (const name of await readdir(path)) {
      const file = await open(join(path, name), 'r+').catch(unlessFolder);
      if (file !== undefined) files.push(file);
      await file?.readFile();
    }
    for (let n = 0; n < SPARE_FILES; n++) files.push(await open(probe, 'w', 0o600));
    await files.at(-1)?.writeFile(Buffer.alloc(LEVEL_RESERVE_BYTES));
    await files.at(-1)?.sync();
  } finally {
    for (const file of files) await file.close().catch(() => undefined);
    await rm(probe, { force: true }).catch(() => undefined);
  }
}

function unlessFolder(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'EISDIR') throw error;
  return undefined;
}

/**
 * Files of a store, and no CURRENT that leads to a manifest. LevelDB would make an empty store of it, and delete the files
 * that it does not know of.
 */
async function isHeadless(path: string): Promise<boolean> {
  const names = (await readdir(path).catch(absent)) ?? [];
  if (!names.some((name) => /\.(ldb|sst|log)$|^MANIFEST-/.test(name))) return false;
  const current = (await readFile(join(path, 'CURRENT'), 'latin1').catch(absent)) ?? '';
  const manifest = /^(MANIFEST-\d+)\n$/.exec(current)?.[1];
  return manifest === undefined || !names.includes(manifest);
}

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return undefined;
}

/** Small buffers: the spool is written once and read once, and must live on small disks too. */
async function tryOpen(path: string, createIfMissing = true): Promise<LevelStore> {
  const Level = await loadLevel();
  const level: LevelStore = new Level(path, {
    valueEncoding: 'view',
    createIfMissing,
    writeBufferSize: 1024 ** 2,
    maxFileSize: 1024 ** 2,
    cacheSize: 1024 ** 2,
  });
  try {
    await level.open();
  } catch (error) {
    await level.close().catch(() => undefined);
    throw error;
  }
  return level;
}

/** The code of LevelDB's own error, which may be the cause of another: `LEVEL_CORRUPTION`. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  const inner = codeOf(cause);
  return inner ?? (typeof code === 'string' ? code : undefined);
}

export function spoolError(error: unknown, folder: string): FieldwatchError {
  if (error instanceof FieldwatchError) return error;
  if (codeOf(error) === 'LEVEL_LOCKED') {
    return new FieldwatchError(`the spool in ${folder} is in use by another process`, {
      code: 'SPOOL_LOCKED',
      kind: 'config',
      cause: error,
      remedy: 'Another daemon runs with this state_dir: give each daemon a state_dir of its own.',
    });
  }
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return new FieldwatchError(`the spool in ${folder} failed: ${messageOf(inner)}`, {
    code: 'SPOOL_IO',
    kind: 'transient',
    cause: error,
    remedy: 'Look at the disk of state_dir: its room, its rights, its health.',
  });
}
