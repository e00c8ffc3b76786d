import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import { makeFolder } from '../lib/make-folder.ts';

/**
 * One server per data folder. The lock is a file that names the process and when that process began, so neither a
 * crash nor a reused process id leaves it standing. (Process ids mean one machine and one pid namespace: do not share
 * the folder between containers.)
 */
interface Holder {
  readonly pid: number;
  /** Clock ticks since boot, from /proc; null where there is no /proc. */
  readonly startedAt: string | null;
}

const LOCK_FILE = 'server.lock';

/** Takes the lock or throws EMBEDDED_DB_IN_USE. @returns how to give it back. */
export function lockFolder(dataDir: string, pid: number): () => void {
  const path = join(dataDir, LOCK_FILE);
  const mine = `${JSON.stringify({ pid, startedAt: startTime(pid) } satisfies Holder)}\n`;
  const draft = `${path}.${pid}`;
  try {
    makeFolder(dataDir, 0o700);
    writeFileSync(draft, mine);
  } catch (error) {
    throw notWritable(dataDir, error);
  }
  try {
    while (!claim(draft, path)) clearStale(path, pid, dataDir);
  } finally {
    rmSync(draft, { force: true });
  }
  return () => {
    if (read(path) === mine) rmSync(path, { force: true });
  };
}

/** Whether a server that lives holds the folder. */
export function isLocked(dataDir: string): boolean {
  const holder = parse(read(join(dataDir, LOCK_FILE)));
  return holder !== null && isAlive(holder);
}

function notWritable(dataDir: string, cause: unknown): FieldwatchError {
  return new FieldwatchError(`the embedded database cannot write to ${dataDir}: ${messageOf(cause)}`, {
    code: 'EMBEDDED_DB_FOLDER',
    kind: 'config',
    remedy: 'give this user the right to write there, or name another folder with embedded.data_dir',
    cause,
  });
}

/** A hard link appears with its content or not at all. */
function claim(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function clearStale(path: string, pid: number, dataDir: string): void {
  const seen = read(path);
  const holder = parse(seen);
  if (holder !== null && isAlive(holder)) {
    throw new FieldwatchError(`the embedded database in ${dataDir} is in use by process ${holder.pid}`, {
      code: 'EMBEDDED_DB_IN_USE',
      kind: 'config',
      remedy: `stop process ${holder.pid}, or name another folder with embedded.data_dir`,
    });
  }
  // Moved away rather than deleted: if another process was faster and this is its new lock, put it back.
  const aside = `${path}.stale.${pid}`;
  try {
    renameSync(path, aside);
    if (read(aside) !== seen) claim(aside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function parse(text: string | null): Holder | null {
  try {
    const value = JSON.parse(text ?? '') as Partial<Holder>;
    return typeof value.pid === 'number' ? { pid: value.pid, startedAt: value.startedAt ?? null } : null;
  } catch {
    return null;
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return holder.startedAt === null || startTime(holder.pid) === holder.startedAt;
}

/** Field 22 of /proc/<pid>/stat; null without /proc, and for a process that has ended but was not waited for. */
function startTime(pid: number): string | null {
  const stat = read(`/proc/${pid}/stat`);
  // The command name, in parentheses, may itself contain blanks and parentheses.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' ? null : (fields[19] ?? null);
}
