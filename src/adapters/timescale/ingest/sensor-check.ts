import { FieldwatchError } from '../../../core/errors.ts';
import type { Work } from '../connection/session.ts';

/** How the store says that sensors were renamed, merged or forgotten since those of a batch were looked up. */
export const SENSORS_CHANGED = 'SENSORS_CHANGED';

/**
 * Begins a transaction. With `seq` it holds the sensors as they are until it ends: reading the table takes a lock on it, for
 * which a change of sensors waits, and another change than the one known ends the transaction before anything is written.
 */
export async function begin(work: Work, seq: number | undefined): Promise<void> {
  if (seq === undefined) {
    await work.script('BEGIN');
    return;
  }
  const results = await work.script('BEGIN; SELECT coalesce(max(seq), 0)::float8 AS seq FROM sensor_changes');
  const [found] = (results.at(-1)?.rows ?? []) as { seq: number }[];
  if (found?.seq === seq) return;
  throw new FieldwatchError('database: sensors were renamed, merged or forgotten meanwhile', {
    code: SENSORS_CHANGED,
    kind: 'transient',
  });
}
