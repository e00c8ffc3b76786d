import type { AlertBatch, DutyEpoch, HandedReading } from '../../core/alert/model.ts';
import { FieldwatchError } from '../../core/errors.ts';
import type { Work } from './session.ts';
import { storableText } from './values.ts';

/** Readings in one row of the inbox: a batch of the largest size makes ten, and one look takes more than that. */
const READINGS_PER_ROW = 1000;

/** A reading as it lies in the inbox. */
export type InboxEntry = readonly [
  key: string,
  location: string | null,
  timeUs: number,
  receivedAtMs: number,
  metrics: Readonly<Record<string, unknown>>,
  retained?: boolean,
  /** Absent of readings that are stored. */
  spooled?: boolean,
];

/** What a batch does to the tables of the alert duty, last of all in its transaction. */
export async function writeDuty(work: Work, { handedOn, taken, duty }: AlertBatch): Promise<void> {
  if (handedOn !== undefined) await handOn(work, handedOn.group, handedOn.readings);
  if (taken !== undefined && taken.length > 0)
    await work.query('DELETE FROM alert_inbox WHERE id = ANY ($1::bigint[])', [taken]);
  if (duty !== undefined) await check(work, duty);
}

async function handOn(work: Work, group: string, readings: readonly HandedReading[]): Promise<void> {
  for (let at = 0; at < readings.length; at += READINGS_PER_ROW) {
    const part = readings.slice(at, at + READINGS_PER_ROW);
    await work.query('INSERT INTO alert_inbox (group_name, readings, payload) VALUES ($1, $2, $3)', [
      group,
      part.length,
      JSON.stringify(part.map(entryOf)),
    ]);
  }
}

function entryOf(reading: HandedReading): InboxEntry {
  const { key, location, timeUs, receivedAtMs, metrics, retained = false, spooled = false } = reading;
  const values = Object.fromEntries(metrics);
  const entry = [storableText(key), location ?? null, timeUs, receivedAtMs, values] as const;
  if (spooled) return [...entry, retained, true];
  return retained ? [...entry, true] : entry;
}

/**
 * The fence. The lock lasts until COMMIT: whoever takes the duty over waits for this transaction, or this one finds
 * another epoch. Last, so that the wait is short.
 */
async function check(work: Work, { group, epoch }: DutyEpoch): Promise<void> {
  const { rows } = await work.query(
    'SELECT epoch FROM alert_duty WHERE group_name = $1 AND epoch = $2 FOR SHARE',
    [group, epoch],
  );
  if (rows.length > 0) return;
  throw new FieldwatchError(`alert duty: another daemon of the group ${group} has it now`, {
    code: 'DUTY_LOST',
    kind: 'transient',
  });
}
