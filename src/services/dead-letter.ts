import { createHash } from 'node:crypto';
import { isoFromMicros } from '../core/mapping/instant.ts';
import type { Micros, RejectCode } from '../core/reading.ts';
import type { Conflict, DeadLetter } from '../ports.ts';
import { nameUuid } from './alert-id.ts';
import type { IntakeRow, LetterSource } from './intake-batch.ts';

/** Refused readings of one message that its dead letter describes; the others are counted. */
const DESCRIBED = 5;

/**
 * A message that gives no readings, or some of its readings, as a dead letter. Its id follows from the message and the
 * reason: it is stored once, however often the message is delivered or its batch is tried.
 */
export function letterOf(
  message: LetterSource,
  reason: RejectCode | (string & {}),
  detail: string | undefined,
  part = '',
): DeadLetter {
  const { topic, payload, receivedAtMs, arrivalUs = receivedAtMs * 1000 } = message;
  const hash = createHash('sha256').update(payload).digest('hex');
  const id = nameUuid(`dead letter|${arrivalUs}|${topic}|${hash}|${reason}|${part}`);
  return { id, receivedAtMs, topic, payload, reason, detail };
}

/** One letter for each message, with the stored and the sent value of each reading. */
export function conflictLetters(
  rows: readonly IntakeRow[],
  conflicts: readonly Conflict[],
): readonly DeadLetter[] {
  const byMessage = new Map<LetterSource, { row: IntakeRow; conflict: Conflict }[]>();
  for (const conflict of conflicts) {
    const row = rows[conflict.index];
    if (row === undefined) continue;
    const others = byMessage.get(row.message);
    if (others === undefined) byMessage.set(row.message, [{ row, conflict }]);
    else others.push({ row, conflict });
  }
  return [...byMessage].map(([message, all]) => {
    const texts = all.slice(0, DESCRIBED).map(({ row, conflict }) => conflictText(row, conflict));
    const more = all.length > DESCRIBED ? `; and ${all.length - DESCRIBED} more readings` : '';
    // A message whose readings are committed in several pieces has a letter for each: the first reading tells them apart.
    const [first] = all;
    const part = first === undefined ? '' : `${first.row.key}|${first.row.timeUs}`;
    return letterOf(message, 'conflict', texts.join('; ') + more, part);
  });
}

/** `boiler at 2026-01-01T00:00:00.000Z: temperature is stored as 21, sent as 22`. */
function conflictText({ key, timeUs }: { key: string; timeUs: Micros }, { values }: Conflict): string {
  const texts = values.map(({ metric, stored, sent }) => `${metric} is stored as ${stored}, sent as ${sent}`);
  return `${key} at ${isoFromMicros(timeUs) ?? timeUs}: ${texts.join(', ')}`;
}
