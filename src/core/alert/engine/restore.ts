import type { Millis } from '../../reading.ts';
import type { AlertStateRow, AlertKey } from '../model.ts';
import { kindOf } from '../kind/index.ts';
import { EMPTY_MEMORY } from '../kind/rule-kind.ts';
import { type Condition, NO_LABELS } from '../rules/condition.ts';
import { type SensorFacts, isRetired } from '../rules/effective.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { type LastEvent, NO_FLAPS, OK, closedUsOf, plain } from '../state/state.ts';
import type { AlertInstance } from './alert-instance.ts';
import { alertKeyText } from './alert-key.ts';
import { type ClosedAlert, AlertEngine } from './engine.ts';
import { ReorderBuffer } from './reorder-buffer.ts';
import { Series } from './series.ts';
import { heldOf } from './copied-numbers.ts';
import { keyOfInstance, receivedOf, stateOf, memoryOf } from './state-row.ts';
import { type UnstoredNumber, type WaitingSeries, isWaitingOf, merged } from './waiting.ts';

/** An alert instance whose rule was removed, or differs from the one its state was made under. */
export interface RuleChange {
  readonly series: Series;
  readonly instance: AlertInstance;
  readonly change: 'changed' | 'removed';
}

/**
 * Restores a stored row into the engine. Returns the change of its rule: one that was changed or removed while the
 * daemon was down is treated like a change at run time.
 */
export function restoreRow(
  engine: AlertEngine,
  sensor: SensorFacts,
  row: AlertStateRow,
): RuleChange | undefined {
  const series = engine.seriesOf(sensor, row.metric);
  const instance = series?.instances.find(({ condition }) => isOf(condition, row));
  if (series === undefined || instance === undefined) {
    const closedUs = closedUsOf(stateOf(row, undefined));
    if (closedUs === undefined) return committed(engine, orphan(sensor, row));
    engine.closed.set(alertKeyText(row), { sensor, key: row, closedUs });
    return undefined;
  }
  instance.committed = plain(stateOf(row, instance.condition));
  instance.committedMemory = memoryOf(row) ?? EMPTY_MEMORY;
  const last = { timeUs: row.lastEventUs, value: row.lastValue };
  const held = heldOf(row);
  series.restore({
    ...(row.lastEventUs > 0 ? { last } : {}),
    held: held === undefined ? undefined : ReorderBuffer.of(held),
    receivedMs: receivedOf(row),
  });
  if (held !== undefined) series.holdsCopies = true;
  engine.trackOpen(series);
  engine.arm(engine.enter(series));
  return instance.condition.hash === row.ruleHash ? undefined : { series, instance, change: 'changed' };
}

/** The newest stored value of a metric, read after a start. */
export function restoreLast(engine: AlertEngine, sensor: SensorFacts, metric: string, last: LastEvent): void {
  const series = engine.seriesOf(sensor, metric);
  if (series === undefined) return;
  // Waiting numbers are stored but not evaluated: the last event comes from the state row.
  if (series.hasHeld) series.expected = true;
  else series.restore({ last });
  // A deadline depends on how old the last reading is.
  if (engine.open.has(series)) engine.arm(engine.enter(series));
}

/**
 * Restores numbers that were waiting when the last process ended: their wait restarts now. `stored` are those of the
 * database, in any order; it uses those that the log names.
 */
export function restoreWaiting(
  engine: AlertEngine,
  sensor: SensorFacts,
  { metric, lastUs, lastValue, ...waiting }: WaitingSeries,
  stored: readonly UnstoredNumber[],
  nowMs: Millis,
): void {
  const series = engine.seriesOf(sensor, metric);
  if (series === undefined) return;
  const numbers = merged(waiting.unstored, stored).filter(isWaitingOf(waiting));
  const held = ReorderBuffer.of(numbers.map(({ timeUs, value }) => ({ timeUs, value, receivedAtMs: nowMs })));
  series.restore({ held, ...(lastUs === -Infinity ? {} : { last: { timeUs: lastUs, value: lastValue } }) });
  engine.arm(engine.enter(series));
}

/**
 * Moves the states to a new rule set: section 9. A change of rules ends alerts and never fires one. The new engine
 * reads last events from the database again, since metrics that had no rule may have one now. `pending` are changes
 * of the previous reload that were not applied yet.
 */
export function migrate(
  old: AlertEngine,
  rules: RuleSet,
  currentSensor: (sensorId: number) => SensorFacts | undefined,
  pending: readonly RuleChange[] = [],
): { engine: AlertEngine; changes: readonly RuleChange[] } {
  const engine = new AlertEngine(rules);
  const unevaluated = new Set(pending.map(({ instance }) => instance));
  const ending = pending.filter(({ change }) => change === 'removed');
  const changes = ending.map(({ series, instance }) => removed(series.sensor, series, instance));
  for (const [former, before] of old.allSeries()) {
    // Tags and places may have changed with the rules.
    const sensor = currentSensor(former.id) ?? former;
    const after = engine.seriesOf(sensor, before.rule.metric);
    after?.inherit(before);
    for (const instance of before.instances) {
      const { hash } = instance.condition;
      const successor = after?.instances.find(({ condition }) => isOf(condition, instance.condition));
      if (successor !== undefined && after !== undefined) {
        successor.committed = instance.committed;
        successor.committedMemory = instance.committedMemory;
        engine.trackOpen(after);
      }
      if (instance.committed === OK) continue;
      if (after === undefined || successor === undefined) changes.push(removed(sensor, before, instance));
      else if (successor.condition.hash !== hash || unevaluated.has(instance))
        changes.push({ series: after, instance: successor, change: 'changed' });
    }
  }
  for (const closed of old.closed.values()) reopen(engine, closed);
  engine.inheritConnection(old);
  for (const [, series] of engine.allSeries())
    if (engine.open.has(series) || series.hasHeld) engine.arm(engine.enter(series));
  for (const change of changes) if (change.change === 'removed') committed(engine, change);
  return { engine, changes };
}

/** Begins a working set with what the rules in force make of these instances. */
export function beginWith(engine: AlertEngine, changes: readonly RuleChange[], nowMs: Millis): void {
  engine.begin();
  for (const change of changes) applyChange(engine, change, nowMs);
}

function applyChange(engine: AlertEngine, { series, instance, change }: RuleChange, nowMs: Millis): void {
  engine.enter(series);
  const last = series.lastFor(instance);
  const { lastReceivedMs, last: known } = series;
  const { condition, memory } = instance;
  const evaluation = kindOf(condition.kind).reevaluate(condition, {
    last: known,
    memory,
    lastReceivedMs,
    nowMs,
  });
  const retired = change === 'removed' && isRetired(series.sensor);
  engine.apply(
    series,
    instance,
    { kind: 'rule', change: retired ? 'retired' : change, nowUs: nowMs * 1000, evaluation, last },
    nowMs,
  );
  const closedUs = closedUsOf(instance.work);
  if (change !== 'removed' || closedUs === undefined) return;
  const key = keyOfInstance(series, instance);
  engine.closed.set(alertKeyText(key), { sensor: series.sensor, key, closedUs });
}

/** If its rule exists again, what was closed with it stays closed. */
function reopen(engine: AlertEngine, closed: ClosedAlert): void {
  const { sensor, key, closedUs } = closed;
  const series = engine.seriesOf(sensor, key.metric);
  const instance = series?.instances.find(({ condition }) => isOf(condition, key));
  if (series === undefined || instance === undefined) engine.closed.set(alertKeyText(key), closed);
  else if (instance.committed === OK) {
    instance.committed = { kind: 'ok', flaps: NO_FLAPS, closedUs };
    engine.trackOpen(series);
  }
}

/** It is open, and inhibits others, until its end is written. */
function committed(engine: AlertEngine, change: RuleChange): RuleChange {
  engine.trackOpen(change.series);
  return change;
}

/** The old condition in a series of its own, which exists until its end is written. */
function removed(sensor: SensorFacts, before: Series, instance: AlertInstance): RuleChange {
  const change = detached(sensor, instance.condition, instance.committed);
  change.series.inherit(before);
  return change;
}

function orphan(sensor: SensorFacts, row: AlertStateRow): RuleChange {
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
    labels: NO_LABELS,
    hash: row.ruleHash,
  };
  const last = { timeUs: row.lastEventUs, value: row.lastValue };
  const change = detached(sensor, condition, stateOf(row, condition));
  change.series.restore({ last });
  return change;
}

function detached(sensor: SensorFacts, condition: Condition, state: AlertInstance['committed']): RuleChange {
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
  });
  const [instance] = series.instances;
  if (instance === undefined) throw new Error('a series has an instance per condition');
  instance.committed = state;
  return { series, instance, change: 'removed' };
}

/** Within one metric. */
const isOf = (one: Pick<AlertKey, 'kind' | 'side'>, other: Pick<AlertKey, 'kind' | 'side'>): boolean =>
  one.kind === other.kind && one.side === other.side;
