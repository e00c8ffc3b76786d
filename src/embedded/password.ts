import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import { DATABASE_ALIASES } from './messages.ts';

/**
 * The password of the embedded database, which all its clients have to know: random, in a file that only this user reads.
 * The file has the format of libpq's password file, so that psql can be pointed at it with PGPASSFILE.
 */
const PASSWORD_FILE = 'pgpass';
const LINE = /^\*:\*:\*:\*:([A-Za-z0-9_-]{32,})\n/;

export const passwordFile = (dataDir: string): string => resolve(dataDir, PASSWORD_FILE);

/** @returns the password of this folder, made if it has none (or half of one). The caller holds the lock of the folder. */
export function ensurePassword(dataDir: string): string {
  const known = readPassword(dataDir);
  if (known !== undefined) return known;
  const password = randomBytes(24).toString('base64url');
  writePassword(dataDir, password);
  return password;
}

/** Durable before it is visible: what is under the final name is whole. */
export function writePassword(dataDir: string, password: string): void {
  const draft = join(dataDir, `${PASSWORD_FILE}.${process.pid}`);
  rmSync(draft, { force: true });
  const fd = openSync(draft, 'wx', 0o600);
  try {
    writeFileSync(fd, `*:*:*:*:${password}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(draft, passwordFile(dataDir));
}

/** @returns undefined where the folder has no password (yet). Throws DB_AUTH where this user may not read it. */
export function readPassword(dataDir: string): string | undefined {
  try {
    return LINE.exec(readFileSync(passwordFile(dataDir), 'utf8'))?.[1];
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new FieldwatchError(`the password of the embedded database cannot be read: ${messageOf(error)}`, {
      code: 'DB_AUTH',
      kind: 'auth',
      remedy: 'run this as the user that runs the daemon, or as root',
      cause: error,
    });
  }
}

/** The URL of the embedded server. Where the password is not known the server refuses the login and its message names the file. */
export function embeddedUrl(host: string, port: number, password: string | undefined): string {
  return `postgres://postgres:${password ?? 'unknown'}@${host}:${port}/${DATABASE_ALIASES[0]}`;
}
