import type { Millis, Micros } from '../reading.ts';
import type { Cell, Outlet } from './cell.ts';
import { deliver, review, tellAgain } from './delivery.ts';
import type { DeliveryRules, SuppressedAt, Told } from './delivery.ts';
import type { Series } from './series.ts';
import type { StepResult } from './state.ts';

/** Silence is measured by the clock: it is never history. */
const LIVE: DeliveryRules = { backfillAfterUs: Infinity, repeatUs: undefined };

/** Puts what a step led to in place, and sends it out. `atMs` is when it happened by the clock, `nowMs` when it is noticed. */
export function put(
  series: Series,
  cell: Cell,
  { state, effects }: StepResult,
  nowMs: Millis,
  out: Outlet,
  atMs = nowMs,
): void {
  let before = cell.work;
  const suppressedAt = suppressing(series, cell, atMs, out);
  const lower = effects.find(({ transition }) => transition === 'deescalated');
  if (lower !== undefined) {
    // As the higher severity it may have explained the lower one: itself.
    series.set(cell, state);
    out.moved(series, cell, before, atMs);
    before = cell.work;
  }
  if (effects.length === 0) series.set(cell, state);
  else {
    const rules = cell === series.noData ? LIVE : series.rule.delivery;
    send(series, cell, deliver(state, effects, nowMs, rules, suppressedAt), out);
  }
  out.moved(series, cell, before, atMs);
  // A lesser severity may be suppressed where the higher one was not, and the other way round.
  if (lower !== undefined)
    send(series, cell, review(cell.work, { dueMs: atMs, nowMs }, lower.value, suppressedAt), out);
}

/** What was due to be told of a cell at `dueMs`. */
export function remind(series: Series, cell: Cell, dueMs: Millis, nowMs: Millis, out: Outlet): void {
  const value = valueFor(series, cell);
  send(series, cell, tellAgain(cell.work, nowMs, value, suppressing(series, cell, dueMs, out)), out);
}

/** What suppresses alerts has changed at `at.dueMs`: what is open is deferred or told because of it. */
export function reconsider(
  series: Series,
  cell: Cell,
  lookMs: Millis,
  at: { readonly dueMs: Millis; readonly nowMs: Millis },
  out: Outlet,
): void {
  const value = valueFor(series, cell);
  send(series, cell, review(cell.work, at, value, suppressing(series, cell, lookMs, out)), out);
}

/** Readings are recent again and the episode is still open: what was owed is told now. */
export function repay(
  series: Series,
  cell: Cell,
  timeUs: Micros,
  value: number | undefined,
  nowMs: Millis,
  out: Outlet,
): void {
  if (!('episode' in cell.work) || cell.work.episode.owedSinceMs === undefined) return;
  if (nowMs * 1000 - timeUs > series.rule.delivery.backfillAfterUs) return;
  send(series, cell, tellAgain(cell.work, nowMs, value, suppressing(series, cell, nowMs, out)), out);
}

function valueFor(series: Series, cell: Cell): number | undefined {
  if (cell === series.noData) return cell.condition.levels[0]?.limit;
  return series.lastFor(cell)?.value;
}

function send(series: Series, cell: Cell, { state, delivered }: Told, out: Outlet): void {
  series.set(cell, state);
  for (const each of delivered) out.push({ series, cell, ...each });
}

function suppressing(series: Series, cell: Cell, atMs: Millis, out: Outlet): SuppressedAt {
  return (severity) => out.suppressedBy(series, cell, severity, atMs);
}
