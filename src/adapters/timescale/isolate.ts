import type { StorableReading } from '../../ports.ts';
import type { BatchRows } from './batch-rows.ts';
import { codeOf, judge } from './errors.ts';
import { merge } from './merge.ts';
import type { Session } from './session.ts';

/**
 * Finds one reading that the database refuses, for errors that name no line: a check or trigger met in the merge, or a
 * constraint that is deferred to COMMIT. Bisection: each probe merges a part in a transaction that is rolled back, so
 * 10,000 readings take at most 15 probes. Undefined when no reading is refused on its own.
 */
export async function isolate(
  session: Session,
  readings: readonly StorableReading[],
  rows: BatchRows,
  ids: ReadonlyMap<string, number>,
): Promise<number | undefined> {
  const refused = async (from: number, to: number) => {
    try {
      await session.run(async (work) => {
        rows.encode(readings, ids, from, to);
        await merge(work, rows, readings.slice(from, to));
        await work.script('SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK');
      });
      return false;
    } catch (error) {
      if (judge(error).kind === 'data' && codeOf(error) !== '23505') return true;
      throw error;
    }
  };
  let from = 0;
  let to = readings.length;
  while (to - from > 1) {
    const middle = (from + to) >>> 1;
    if (await refused(from, middle)) to = middle;
    else from = middle;
  }
  return to > from && (await refused(from, to)) ? from : undefined;
}
