import type { Micros, Millis } from '../reading.ts';
import { OF_SENSOR } from './alert-key.ts';
import type { Cell } from './cell.ts';
import { deliveryDueMs } from './delivery.ts';
import { releaseDueMs } from './lateness.ts';
import { NEVER } from './series-memory.ts';
import type { SeriesMemory } from './series-memory.ts';
import { closedUsOf, OK } from './state.ts';
import { heldDueMs as stateDueMs } from './step.ts';

const MAX_LAG_MS = 60_000;

/**
 * When time alone next decides something of a series; Infinity: only a number can. `connectedMs` is undefined while the
 * broker is away: then silence says nothing.
 */
export function decidesAtMs(series: SeriesMemory, connectedMs: Millis | undefined): Millis {
  const { noData, held, allowedUs } = series;
  let dueMs = noData === undefined ? Infinity : silenceDueMs(series, connectedMs);
  if (held.length > 0) dueMs = Math.min(dueMs, releaseDueMs(held, allowedUs));
  if (series.active === 0) return dueMs;
  for (const cell of series.cells) {
    dueMs = Math.min(dueMs, tellDueMs(series, cell));
    if (!series.silent && cell !== noData) dueMs = Math.min(dueMs, heldDueMs(series, cell));
  }
  return dueMs;
}

/** When the silence of a series becomes an alert. */
export function silenceDueMs(series: SeriesMemory, connectedMs: Millis | undefined): Millis {
  const { receivedMs, expected } = series;
  const afterMs = series.rule.noDataAfterMs;
  if (afterMs === undefined || connectedMs === undefined || series.silent) return Infinity;
  if (receivedMs === NEVER && !expected) return Infinity;
  // What is known to be away is not missed metric by metric.
  if (series.isOwnerAway) return Infinity;
  // Closed by hand: data has to come first, and to stop again.
  const closedUs = series.noData === undefined ? undefined : closedUsOf(series.noData.work);
  if (closedUs !== undefined && receivedMs * 1000 <= closedUs) return Infinity;
  if (series.metric === OF_SENSOR && receivedMs !== NEVER) return Infinity;
  return Math.max(receivedMs, connectedMs, series.expectedSinceMs) + afterMs;
}

/** When something has to be told of a cell that did not change: what is owed, or a reminder. */
export function tellDueMs(series: SeriesMemory, cell: Cell): Millis {
  // Nobody is reminded of what nobody measures any more, nor that nobody does.
  if (cell.work === OK || series.silent) return Infinity;
  const { delivery, staleAfterUs } = series.rule;
  return deliveryDueMs(cell.work, series.receivedMs, staleAfterUs, delivery);
}

/**
 * The deadline of a `held` condition on the clock: when no reading for the time before it is waited for any more. A
 * sensor that lags behind, or uploads what it kept, may still have one: it gets as long as it lagged, at most a minute,
 * since it was last heard.
 */
export function heldDueMs(
  { last, receivedMs, held, allowedUs }: SeriesMemory,
  { work, condition }: Cell,
): Millis {
  const deadlineMs = stateDueMs(work, condition, last);
  if (deadlineMs === Infinity) return Infinity;
  const allowedMs = allowedUs / 1000;
  const dueMs = Math.max(deadlineMs, held.lastReceivedBefore(deadlineMs * 1000)) + allowedMs;
  if (receivedMs === NEVER || last === undefined) return dueMs;
  const lagMs = Math.min(Math.max(0, receivedMs - last.timeUs / 1000), MAX_LAG_MS);
  return Math.max(dueMs, receivedMs + lagMs);
}

/** Up to when, in event time, the clock decides: not for a time that readings may still come for, or wait for. */
export function watermarkUs({ held, allowedUs }: SeriesMemory, untilMs: Millis): Micros {
  return Math.min(untilMs * 1000 - allowedUs, held.firstUs ?? Infinity);
}
