import { closeSync, fstatSync, openSync, readFileSync, readSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { AlertLineKey, NotificationKey } from '../../ports/alerts.ts';

/** How much of the newest lines is read: about 130,000 of them, what a storm of alerts writes in an outage. */
const MAX_BYTES = 64 * 1024 * 1024;
/** In pieces, from the end of the file: what is in memory at once. */
const PIECE_BYTES = 1024 * 1024;

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

/** The lines that were written before their rows existed, with or without rows, oldest first; as far back as `findLogged` reads. */
export function findUnpersisted(path: string, maxBytes = MAX_BYTES): readonly AlertLineKey[] {
  const pieces: AlertLineKey[][] = [];
  for (const lines of newestFirst(path, maxBytes))
    pieces.push(lines.flatMap((line) => (line.includes('"persisted":false') ? (keyOfLine(line) ?? []) : [])));
  return pieces.reverse().flat();
}

/** The lines of each piece; nothing of a file that cannot be read. */
function* newestFirst(path: string, maxBytes: number): Generator<readonly string[]> {
  let budget = maxBytes;
  for (const file of [path, ...rotated(path)]) {
    try {
      for (const text of file.endsWith('.gz') ? [unzipped(file, budget)] : piecesFromEnd(file, budget)) {
        budget -= text.length;
        yield text.toString('utf8').split('\n');
      }
    } catch {
      // The next one may be whole.
    }
    if (budget <= 0) return;
  }
}

/** A line that was cut off by a crash or a full disk is skipped. */
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

const unzipped = (file: string, maxBytes: number) =>
  gunzipSync(readFileSync(file), { maxOutputLength: maxBytes });

/** The last bytes of a file, the last first, each piece from the start of a line. */
function* piecesFromEnd(file: string, maxBytes: number): Generator<Buffer> {
  const descriptor = openSync(file, 'r');
  try {
    let end = fstatSync(descriptor).size;
    const first = Math.max(0, end - maxBytes);
    // The end of the line whose beginning is in the piece before.
    let rest: Buffer = Buffer.alloc(0);
    while (end > first) {
      const start = Math.max(first, end - PIECE_BYTES);
      const read = Buffer.alloc(end - start);
      const length = readSync(descriptor, read, 0, read.length, start);
      const piece = Buffer.concat([read.subarray(0, length), rest]);
      const from = start === 0 ? 0 : piece.indexOf('\n') + 1 || piece.length;
      rest = piece.subarray(0, from);
      end = start;
      if (from < piece.length) yield piece.subarray(from);
    }
  } finally {
    closeSync(descriptor);
  }
}
