import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { AlertLineKey, NotificationKey } from '../../ports.ts';

/** So much of the newest lines is read: about 30,000 of them. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Which of the notifications have a line in the log, looking back from its end and on through the files that a rotation
 * made of it (`alerts.log.1`, `alerts.log-20260101`, `alerts.log.2.gz`), newest first.
 */
export function findLogged(
  path: string,
  keys: readonly NotificationKey[],
  maxBytes = MAX_BYTES,
): ReadonlySet<string> {
  const wanted = new Set(keys.map(({ alertId, seq }) => `${alertId} ${seq}`));
  const found = new Set<string>();
  for (const lines of newestFirst(path, maxBytes)) {
    if (found.size === wanted.size) break;
    for (const line of lines) {
      const { alertId, seq } = keyOfLine(line) ?? {};
      if (wanted.has(`${alertId} ${seq}`)) found.add(`${alertId} ${seq}`);
    }
  }
  return found;
}

/** The lines that left before their rows existed, whatever became of the rows; as far back as `findLogged` looks. */
export function findUnpersisted(path: string, maxBytes = MAX_BYTES): readonly AlertLineKey[] {
  const found: AlertLineKey[] = [];
  for (const lines of newestFirst(path, maxBytes))
    for (const line of lines) {
      const key = line.includes('"persisted":false') ? keyOfLine(line) : undefined;
      if (key !== undefined) found.push(key);
    }
  return found;
}

/** The lines of each file. */
function* newestFirst(path: string, maxBytes: number): Generator<readonly string[]> {
  let budget = maxBytes;
  for (const file of [path, ...rotated(path)]) {
    if (budget <= 0) return;
    const text = readEnd(file, budget);
    budget -= text.length;
    yield text.split('\n');
  }
}

/** A line that was cut off by a crash or a full disk is none. */
function keyOfLine(line: string): AlertLineKey | undefined {
  if (!line.includes('"alert_id"')) return undefined;
  try {
    const { alert_id: alertId, seq, event } = JSON.parse(line) as Record<string, unknown>;
    if (typeof alertId !== 'string' || typeof seq !== 'number') return undefined;
    return { alertId, seq, event: event as AlertLineKey['event'] };
  } catch {
    return undefined;
  }
}

function rotated(path: string): readonly string[] {
  const name = basename(path);
  try {
    return readdirSync(dirname(path))
      .filter((other) => other.startsWith(`${name}.`) || other.startsWith(`${name}-`))
      .map((other) => join(dirname(path), other))
      .map((file) => ({ file, atMs: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
      .sort((a, b) => b.atMs - a.atMs)
      .map(({ file }) => file);
  } catch {
    return [];
  }
}

/** The last bytes of a file, from the start of a line; nothing of one that cannot be read. */
function readEnd(file: string, maxBytes: number): string {
  try {
    return file.endsWith('.gz') ? unzipped(file, maxBytes) : tail(file, maxBytes);
  } catch {
    return '';
  }
}

const unzipped = (file: string, maxBytes: number) =>
  gunzipSync(readFileSync(file), { maxOutputLength: maxBytes }).toString('utf8');

function tail(file: string, maxBytes: number): string {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const length = Math.min(size, maxBytes);
    const bytes = Buffer.alloc(length);
    const read = readSync(descriptor, bytes, 0, length, size - length);
    const text = bytes.subarray(0, read).toString('utf8');
    return length === size ? text : text.slice(text.indexOf('\n') + 1);
  } finally {
    closeSync(descriptor);
  }
}
