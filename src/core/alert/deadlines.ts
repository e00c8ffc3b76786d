import type { Millis } from '../reading.ts';
import type { Cell } from './cell.ts';
import type { LastEvent } from './state.ts';
import { heldDueMs as stateDueMs } from './step.ts';

const MAX_LAG_MS = 60_000;

/**
 * The deadline of a `held` condition on the clock. A sensor that lags behind, or uploads what it kept, may still have a
 * reading for the time before the deadline: it gets as long as it lagged, at most a minute, since it was last heard.
 */
export function heldDueMs(
  { work, condition }: Cell,
  last: LastEvent | undefined,
  receivedMs: Millis,
): Millis {
  const dueMs = stateDueMs(work, condition, last);
  if (dueMs === Infinity || receivedMs === -Infinity || last === undefined) return dueMs;
  const lagMs = Math.min(Math.max(0, receivedMs - last.timeUs / 1000), MAX_LAG_MS);
  return Math.max(dueMs, receivedMs + lagMs);
}
