import type { InboundMessage } from '../../ports/messages.ts';
import { createHash } from 'node:crypto';
import { isoFromMicros } from '../../core/ingest/mapping/instant.ts';
import type { Micros, RejectCode } from '../../core/reading.ts';
import type { Conflict, DeadLetter } from '../../ports/store.ts';
import { nameUuid } from '../alert/alert-id.ts';
import type { DeadLetterBudget } from './dead-letter-budget.ts';

/** Refused readings of one message that its dead letter describes; the others are counted. */
const DESCRIBED = 5;

/**
 * A message that gives no readings, or some of its readings, as a dead letter. Its id follows from the content of the message
 * and the reason: it is stored once, however often the message is delivered, to whichever process, or its batch is retried.
 * A message that a publisher sends again is another one, by its time of arrival.
 */
export function letterOf(
  message: LetterSource,
  reason: RejectCode | (string & {}),
  detail: string | undefined,
  part = '',
): DeadLetter {
  const { topic, payload, receivedAtMs, arrivalUs = receivedAtMs * 1000, dup } = message;
  const hash = createHash('sha256').update(payload).digest('hex');
  const id = nameUuid(`dead letter|${topic}|${hash}|${reason}|${part}`);
  const letter = { id, receivedAtMs: arrivalUs / 1000, topic, payload, reason, detail };
  return dup === true ? { ...letter, redelivered: true } : letter;
}

/** The position of a letter in its batch, and the texts of its first readings. Without a position it was not kept. */
interface Place {
  readonly at: number | undefined;
  readonly texts: string[];
}

/** Dead letters of one batch: one for each message and reason, however many of its readings are refused. */
export class LetterBook {
  readonly letters: DeadLetter[] = [];
  /** Items of messages whose letter was not kept: too many in this minute. */
  dropped = 0;
  private readonly budget: DeadLetterBudget | undefined;
  private readonly places = new Map<LetterSource, Map<string, Place>>();

  constructor(budget?: DeadLetterBudget) {
    this.budget = budget;
  }

  /** One more refused reading, or a message that gives none. True where it is a new letter. */
  add(message: LetterSource, reason: string, detail: string | undefined): boolean {
    let byReason = this.places.get(message);
    if (byReason === undefined) this.places.set(message, (byReason = new Map<string, Place>()));
    const place = byReason.get(reason);
    if (place === undefined) {
      const keeps = this.budget?.admits(message.topic, reason) !== false;
      const at = keeps ? this.letters.push(letterOf(message, reason, detail)) - 1 : undefined;
      byReason.set(reason, { at, texts: detail === undefined ? [] : [detail] });
      if (!keeps) this.dropped++;
      return keeps;
    }
    const { at, texts } = place;
    const letter = at === undefined ? undefined : this.letters[at];
    if (at === undefined || letter === undefined) {
      this.dropped++;
      return false;
    }
    if (detail !== undefined && texts.length < DESCRIBED && !texts.includes(detail)) texts.push(detail);
    const items = (letter.items ?? 1) + 1;
    const more = items > texts.length ? `; ${items} readings in all` : '';
    this.letters[at] = { ...letter, items, detail: texts.join('; ') + more };
    return false;
  }
}

/** A reading whose values differ from the stored ones. */
export interface ConflictingRow {
  readonly key: string;
  readonly timeUs: Micros;
  readonly message: LetterSource;
}

/** One letter for each message, with the stored and the sent value of each reading. */
export function conflictLetters(
  rows: readonly ConflictingRow[],
  conflicts: readonly Conflict[],
  budget?: DeadLetterBudget,
): readonly DeadLetter[] {
  const byMessage = new Map<LetterSource, { row: ConflictingRow; conflict: Conflict }[]>();
  for (const conflict of conflicts) {
    const row = rows[conflict.index];
    if (row === undefined) continue;
    const others = byMessage.get(row.message);
    if (others === undefined) byMessage.set(row.message, [{ row, conflict }]);
    else others.push({ row, conflict });
  }
  const kept = [...byMessage].filter(([{ topic }]) => budget?.admits(topic, 'conflict') !== false);
  return kept.map(([message, all]) => {
    const texts = all.slice(0, DESCRIBED).map(({ row, conflict }) => conflictText(row, conflict));
    const more = all.length > texts.length ? `; ${all.length} readings in all` : '';
    // A message whose readings are committed in several pieces has a letter for each: the first reading distinguishes them.
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

/** The part of a message that a dead letter needs. */
export type LetterSource = Pick<InboundMessage, 'topic' | 'payload' | 'receivedAtMs'> & {
  /** Absent of what an earlier version spooled. */
  readonly arrivalUs?: Micros | undefined;
  /** The broker marked it as redelivered. */
  readonly dup?: boolean | undefined;
  /** A retained message. */
  readonly retain?: boolean | undefined;
};
