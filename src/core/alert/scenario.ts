import type { Micros, Millis } from '../reading.ts';
import { OF_SENSOR } from './alert-key.ts';
import { batchOf } from './batch.ts';
import type { CellEffect } from './cell.ts';
import type { SensorFacts } from './effective.ts';
import { Engine } from './engine.ts';
import type { EngineCounts } from './counts.ts';
import type { AlertNotification } from './model.ts';
import { applyCommand } from './operator.ts';
import { applyChange, migrate, restoreRow, restoreWaiting } from './restore.ts';
import type { RuleChange } from './restore.ts';
import type { AlertIdOf } from './row.ts';
import type { RuleSet } from './rules.ts';
import { ScenarioTables } from './scenario-tables.ts';
import type { StoredAlert } from './scenario-tables.ts';
import type { Silence } from './suppress/silence.ts';
import { WaitingLog } from './waiting-log.ts';

/** One thing that happens, at a moment of the receive clock. */
export type ScenarioEvent =
  | {
      readonly kind: 'reading';
      readonly atMs: Millis;
      readonly timeUs: Micros;
      readonly sensor: string;
      readonly metrics: ReadonlyMap<string, unknown>;
    }
  | { readonly kind: 'tick' | 'connect' | 'disconnect'; readonly atMs: Millis }
  | { readonly kind: 'restart'; readonly atMs: Millis }
  /** `rules` is undefined where the new configuration was refused, for its `faults`: the old one stays. */
  | {
      readonly kind: 'reload';
      readonly atMs: Millis;
      readonly rules: RuleSet | undefined;
      readonly faults?: readonly string[];
    }
  | {
      readonly kind: 'ack' | 'resolve';
      readonly atMs: Millis;
      readonly sensor: string;
      readonly alertType: string;
      readonly by: string;
    }
  | { readonly kind: 'silence'; readonly atMs: Millis; readonly silence: Silence }
  | { readonly kind: 'expire'; readonly atMs: Millis; readonly id: string };

export interface Scenario {
  readonly rules: RuleSet;
  readonly sensors: readonly SensorFacts[];
  /** Those that are there from the start. */
  readonly silences?: readonly Silence[];
  readonly startMs: Millis;
  readonly connected: boolean;
  readonly events: readonly ScenarioEvent[];
}

export interface ScenarioOutcome {
  readonly transitions: readonly CellEffect[];
  readonly rows: readonly StoredAlert[];
  readonly notifications: readonly AlertNotification[];
  readonly counts: EngineCounts;
}

/** Runs a timeline through the engine that the daemon runs, with tables in memory. */
export function runScenario(scenario: Scenario, alertId: AlertIdOf): ScenarioOutcome {
  const run = new ScenarioRun(scenario, alertId);
  for (const event of scenario.events) run.apply(event);
  return run.outcome();
}

class ScenarioRun {
  private engine: Engine;
  private rules: RuleSet;
  private silences: readonly Silence[];
  private readonly alertId: AlertIdOf;
  private readonly sensors = new Map<string, SensorFacts>();
  private readonly tables = new ScenarioTables();
  private readonly waiting = new WaitingLog('', 'scenario');

  constructor(scenario: Scenario, alertId: AlertIdOf) {
    this.rules = scenario.rules;
    this.silences = scenario.silences ?? [];
    this.alertId = alertId;
    for (const sensor of scenario.sensors) this.sensors.set(sensor.key, sensor);
    this.engine = new Engine(this.rules);
    this.engine.silence(this.silences, scenario.startMs);
    this.expectAll(this.engine);
    if (scenario.connected) this.engine.connected(scenario.startMs);
  }

  apply(event: ScenarioEvent): void {
    this.engine.begin();
    this.engine.tick(event.atMs);
    if (event.kind === 'restart' || event.kind === 'reload') {
      this.commit();
      if (event.kind === 'restart') this.restart(event.atMs);
      else this.reload(event.rules, event.atMs);
      return;
    }
    this.input(event);
    this.commit();
  }

  outcome(): ScenarioOutcome {
    const { alerts: rows, transitions, notifications, counts } = this.tables;
    return { transitions, rows, notifications, counts };
  }

  private input(event: Exclude<ScenarioEvent, { kind: 'restart' | 'reload' }>): void {
    switch (event.kind) {
      case 'reading':
        return this.reading(event);
      case 'tick':
        return;
      case 'connect':
        return this.engine.connected(event.atMs);
      case 'disconnect':
        return this.engine.disconnected();
      case 'ack':
      case 'resolve': {
        const { kind, atMs, sensor, alertType, by } = event;
        const sensorId = this.sensors.get(sensor)?.id;
        if (sensorId === undefined) return;
        applyCommand(this.engine, { kind, sensorId, alertType, alertId: undefined, by }, atMs, this.alertId);
        return;
      }
      case 'silence':
        return this.silence([...this.silences, event.silence], event.atMs);
      case 'expire':
        return this.silence(
          this.silences.map((each) =>
            each.id === event.id && each.endsMs > event.atMs ? { ...each, endsMs: event.atMs } : each,
          ),
          event.atMs,
        );
    }
  }

  /** What is open is deferred, or told, at once. */
  private silence(silences: readonly Silence[], atMs: Millis): void {
    this.silences = silences;
    this.engine.silence(silences, atMs);
    this.engine.tick(atMs);
  }

  private reading(event: Extract<ScenarioEvent, { kind: 'reading' }>): void {
    const sensor = this.sensorOf(event.sensor);
    const { timeUs, metrics } = event;
    this.engine.reading({ sensor, timeUs, receivedAtMs: event.atMs, metrics });
    this.tables.store(sensor, timeUs, metrics);
  }

  /** A new process: what it knows is in the tables. */
  private restart(atMs: Millis): void {
    const engine = new Engine(this.rules);
    const byId = new Map([...this.sensors.values()].map((sensor) => [sensor.id, sensor]));
    const changes: RuleChange[] = [];
    for (const row of this.tables.stateRows) {
      const sensor = byId.get(row.sensorId);
      const change = sensor === undefined ? undefined : restoreRow(engine, sensor, row);
      if (change !== undefined) changes.push(change);
    }
    for (const series of this.tables.waitingSeries) {
      const { sensorId, metric } = series;
      const sensor = byId.get(sensorId);
      const stored = this.tables.readingsOf(sensorId, metric);
      if (sensor !== undefined) restoreWaiting(engine, sensor, series, stored, atMs);
    }
    this.restoreLast(engine, atMs);
    engine.silence(this.silences, atMs);
    this.engine = engine;
    this.expectAll(engine);
    engine.begin();
    for (const change of changes) applyChange(engine, change, atMs);
    this.commit();
    engine.connected(atMs);
  }

  private reload(rules: RuleSet | undefined, atMs: Millis): void {
    if (rules === undefined) return;
    const { engine, changes } = migrate(this.engine, rules, () => undefined);
    for (const { sensor, metric, timeUs } of this.tables.newest(atMs * 1000))
      engine.expect(sensor, metric, timeUs / 1000);
    this.expectAll(engine, atMs);
    this.restoreLast(engine, atMs);
    engine.silence(this.silences, atMs);
    this.engine = engine;
    this.rules = rules;
    engine.begin();
    for (const change of changes) applyChange(engine, change, atMs);
    this.commit();
  }

  /** What is stored, also of metrics that no rule asked for until now. */
  private restoreLast(engine: Engine, atMs: Millis): void {
    const untilUs = atMs * 1000 + engine.rules.futureSkewUs;
    for (const last of this.tables.newest(untilUs)) engine.restoreLast(last.sensor, last.metric, last);
  }

  private commit(): void {
    const { effects, touched, counts } = this.engine.work;
    const { row: waiting, adopt } = this.waiting.next(this.engine);
    this.tables.commit(effects, counts, { ...batchOf(effects, touched, this.alertId), waiting });
    this.engine.adopt();
    adopt();
  }

  /** Registered sensors that were never heard are missed as sensors. */
  private expectAll(engine: Engine, sinceMs?: Millis): void {
    for (const sensor of this.sensors.values()) {
      if (this.tables.hasHeard(sensor)) continue;
      if (engine.rules.watchesSilence(sensor)) engine.expect(sensor, OF_SENSOR, sinceMs);
    }
  }

  private sensorOf(key: string): SensorFacts {
    let sensor = this.sensors.get(key);
    if (sensor === undefined) {
      sensor = { id: this.sensors.size + 1, key, type: null, location: null, tags: [] };
      this.sensors.set(key, sensor);
    }
    return sensor;
  }
}
