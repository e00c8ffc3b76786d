import type { Millis } from '../reading.ts';
import type { SensorFacts } from './effective.ts';
import { alertKeyText } from './alert-key.ts';
import type { AlertKey } from './alert-key.ts';
import { Engine } from './engine.ts';
import type { ClosedAlert } from './engine.ts';
import { rejudge } from './judge.ts';
import { HeldNumbers } from './lateness.ts';
import type { AlertStateRow } from './model.ts';
import { heldOf, keyOfCell, receivedOf, stateOf, windowOf } from './row.ts';
import type { Condition } from './rule.ts';
import type { RuleSet } from './rules.ts';
import { Series } from './series.ts';
import type { Cell } from './cell.ts';
import { isWaitingOf, merged, type UnstoredNumber, type WaitingSeries } from './waiting.ts';
import { closedUsOf, NO_FLAPS, OK, plain } from './state.ts';

/** A cell whose rule is another than the one its state was made under, or gone. */
export interface RuleChange {
  readonly series: Series;
  readonly cell: Cell;
  readonly change: 'changed' | 'removed';
}

/**
 * Puts a stored row back into the engine. Returns what the configuration did to it meanwhile: a rule that was changed
 * or removed while the daemon was down is treated like one that was changed or removed under it.
 */
export function restoreRow(engine: Engine, sensor: SensorFacts, row: AlertStateRow): RuleChange | undefined {
  const series = engine.seriesOf(sensor, row.metric);
  const cell = series?.cells.find(({ condition }) => isOf(condition, row));
  if (series === undefined || cell === undefined) {
    const closedUs = closedUsOf(stateOf(row, undefined));
    if (closedUs === undefined) return settled(engine, ghost(sensor, row));
    engine.closed.set(alertKeyText(row), { sensor, key: row, closedUs });
    return undefined;
  }
  cell.committed = plain(stateOf(row, cell.condition));
  const last = { timeUs: row.lastEventUs, value: row.lastValue };
  const held = heldOf(row);
  series.restore({
    ...(row.lastEventUs > 0 ? { last } : {}),
    window: windowOf(row),
    held: held === undefined ? undefined : HeldNumbers.of(held),
    receivedMs: receivedOf(row),
  });
  if (held !== undefined) series.holdsCopies = true;
  engine.settle(series);
  engine.arm(engine.enter(series));
  return cell.condition.hash === row.ruleHash ? undefined : { series, cell, change: 'changed' };
}

/**
 * Puts numbers back that waited when the last process ended: they wait again, from now on. `stored` are those of the
 * database, in any order; of these it takes what the log says.
 */
export function restoreWaiting(
  engine: Engine,
  sensor: SensorFacts,
  { metric, lastUs, lastValue, ...waiting }: WaitingSeries,
  stored: readonly UnstoredNumber[],
  nowMs: Millis,
): void {
  const series = engine.seriesOf(sensor, metric);
  if (series === undefined) return;
  const numbers = merged(waiting.unstored, stored).filter(isWaitingOf(waiting));
  const held = HeldNumbers.of(numbers.map(({ timeUs, value }) => ({ timeUs, value, receivedAtMs: nowMs })));
  series.restore({ held, ...(lastUs === -Infinity ? {} : { last: { timeUs: lastUs, value: lastValue } }) });
  engine.arm(engine.enter(series));
}

/**
 * A new rule set under the states of the old one: section 9. A change alone ends alerts; it never fires one. The new
 * engine asks the database for last events again, since metrics that had no rule may have one now. `pending` are changes
 * of the reload before this one that were not applied yet.
 */
export function migrate(
  old: Engine,
  rules: RuleSet,
  currentSensor: (sensorId: number) => SensorFacts | undefined,
  pending: readonly RuleChange[] = [],
): { engine: Engine; changes: readonly RuleChange[] } {
  const engine = new Engine(rules);
  const unjudged = new Set(pending.map(({ cell }) => cell));
  const ending = pending.filter(({ change }) => change === 'removed');
  const changes = ending.map(({ series, cell }) => removed(series.sensor, series, cell));
  for (const [former, before] of old.allSeries()) {
    // Tags and places may have changed with the rules.
    const sensor = currentSensor(former.id) ?? former;
    const after = engine.seriesOf(sensor, before.rule.metric);
    after?.inherit(before);
    for (const cell of before.cells) {
      const { hash } = cell.condition;
      const heir = after?.cells.find(({ condition }) => isOf(condition, cell.condition));
      if (heir !== undefined && after !== undefined) {
        heir.committed = cell.committed;
        engine.settle(after);
      }
      if (cell.committed === OK) continue;
      if (after === undefined || heir === undefined) changes.push(removed(sensor, before, cell));
      else if (heir.condition.hash !== hash || unjudged.has(cell))
        changes.push({ series: after, cell: heir, change: 'changed' });
    }
  }
  for (const closed of old.closed.values()) reopen(engine, closed);
  engine.inheritConnection(old);
  for (const [, series] of engine.allSeries())
    if (engine.open.has(series) || series.hasHeld) engine.arm(engine.enter(series));
  for (const change of changes) if (change.change === 'removed') settled(engine, change);
  return { engine, changes };
}

export function applyChange(engine: Engine, { series, cell, change }: RuleChange, nowMs: Millis): void {
  engine.enter(series);
  const last = series.lastFor(cell);
  const { window, heardMs } = series;
  const verdict = rejudge(cell.condition, { last: series.last, window, heardMs, nowMs });
  engine.apply(series, cell, { kind: 'rule', change, nowUs: nowMs * 1000, verdict, last }, nowMs);
  const closedUs = closedUsOf(cell.work);
  if (change !== 'removed' || closedUs === undefined) return;
  const key = keyOfCell(series, cell);
  engine.closed.set(alertKeyText(key), { sensor: series.sensor, key, closedUs });
}

/** Its rule may be there again: what was closed with it stays closed. */
function reopen(engine: Engine, closed: ClosedAlert): void {
  const { sensor, key, closedUs } = closed;
  const series = engine.seriesOf(sensor, key.metric);
  const cell = series?.cells.find(({ condition }) => isOf(condition, key));
  if (series === undefined || cell === undefined) engine.closed.set(alertKeyText(key), closed);
  else if (cell.committed === OK) {
    cell.committed = { kind: 'ok', flaps: NO_FLAPS, closedUs };
    engine.settle(series);
  }
}

/** It is open until its end is written, and explains others until then. */
function settled(engine: Engine, change: RuleChange): RuleChange {
  engine.settle(change.series);
  return change;
}

/** The old condition in a series of its own: it exists until its end is written. */
function removed(sensor: SensorFacts, before: Series, cell: Cell): RuleChange {
  const change = lone(sensor, cell.condition, cell.committed);
  change.series.inherit(before);
  return change;
}

function ghost(sensor: SensorFacts, row: AlertStateRow): RuleChange {
  const condition: Condition = {
    alertType: row.alertType,
    metric: row.metric,
    kind: row.kind,
    side: row.side,
    levels: [{ severity: row.severity, limit: row.threshold ?? row.lastValue, forUs: undefined }],
    hysteresis: 0,
    forUs: 0,
    forMode: 'confirmed',
    minSamples: 1,
    keepFiringForUs: 0,
    staleAfterUs: 0,
    latch: false,
    flap: undefined,
    window: 0,
    runbook: null,
    hash: row.ruleHash,
  };
  const last = { timeUs: row.lastEventUs, value: row.lastValue };
  const change = lone(sensor, condition, stateOf(row, condition));
  change.series.restore({ last });
  return change;
}

function lone(sensor: SensorFacts, condition: Condition, state: Cell['committed']): RuleChange {
  const series = new Series(sensor, {
    metric: condition.metric,
    conditions: [condition],
    staleAfterUs: condition.staleAfterUs,
    noDataAfterMs: undefined,
    allowedLatenessUs: 0,
    delivery: { backfillAfterUs: Infinity, repeatUs: undefined },
    quietMin: -Infinity,
    quietMax: Infinity,
    simple: false,
    window: 0,
  });
  const [cell] = series.cells;
  if (cell === undefined) throw new Error('a series has a cell per condition');
  cell.committed = state;
  return { series, cell, change: 'removed' };
}

/** Of one metric. */
const isOf = (one: Pick<AlertKey, 'kind' | 'side'>, other: Pick<AlertKey, 'kind' | 'side'>): boolean =>
  one.kind === other.kind && one.side === other.side;
