import type { AlertBatch, AlertStateRow } from '../model.ts';
import type { HeldNumber } from './reorder-buffer.ts';
import { type WaitingSeries, waitingColumns } from './waiting.ts';

/** In place of a process name. */
const EARLIER_VERSION = 'an earlier version';

/** The part of a state without a column of its own, as an earlier version wrote it. */
interface EarlierDetail {
  /** Numbers waiting for earlier ones. */
  readonly held?: readonly HeldNumber[];
}

/** The waiting numbers that an earlier version copied here. */
export function heldOf(row: AlertStateRow): readonly HeldNumber[] | undefined {
  const { held } = row.detail as EarlierDetail;
  return Array.isArray(held) ? (held as readonly HeldNumber[]) : undefined;
}

/** An `ok` row with no other detail becomes empty: the row is deleted. */
function withoutHeld(row: AlertStateRow): AlertStateRow {
  const { held, ...detail } = row.detail as EarlierDetail;
  if (held === undefined) return row;
  const empty = row.state === 'ok' && Object.keys(detail).every((name) => name === 'received');
  return { ...row, detail: empty ? {} : detail };
}

/**
 * A batch that an earlier version left in the spool, with copies of the waiting numbers in its states: moves them to
 * the waiting log. A state without any means that its series has nothing waiting.
 */
export function withoutCopies(batch: AlertBatch): AlertBatch {
  if (batch.waiting !== undefined || !batch.states.some(hasCopies)) return batch;
  const series = new Map<string, WaitingSeries>();
  for (const row of batch.states) {
    const name = `${row.sensorId}|${row.metric}`;
    if (hasCopies(row) || !series.has(name)) series.set(name, seriesOf(row));
  }
  return {
    ...batch,
    states: batch.states.map(withoutHeld),
    waiting: {
      group: batch.fence?.group ?? '',
      writer: EARLIER_VERSION,
      columns: waitingColumns([...series.values()]),
    },
  };
}

const hasCopies = (row: AlertStateRow): boolean => heldOf(row) !== undefined;

function seriesOf(row: AlertStateRow): WaitingSeries {
  const { sensorId, metric, lastEventUs, lastValue } = row;
  const held = heldOf(row) ?? [];
  return {
    ...{ sensorId, metric, lastValue },
    lastUs: lastEventUs > 0 ? lastEventUs : -Infinity,
    fromUs: held[0]?.timeUs ?? Infinity,
    untilUs: held.at(-1)?.timeUs ?? -Infinity,
    unstored: held.map(({ timeUs, value }) => ({ timeUs, value })),
  };
}
