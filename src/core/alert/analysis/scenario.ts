import type { SensorFactsOf } from '../../notify/delivery.ts';
import { DeliverySimulation, type SentDelivery } from '../../notify/delivery-simulation.ts';
import type { NotificationRoutes } from '../../notify/recipients.ts';
import { AVAILABILITY, type Micros, type Millis } from '../../reading.ts';
import { batchOfWork } from '../engine/alert-batch.ts';
import { OF_SENSOR } from '../engine/alert-key.ts';
import { applyCommand } from '../engine/commands.ts';
import { AlertEngine } from '../engine/engine.ts';
import {
  type RuleChange,
  beginWith,
  migrate,
  restoreLast,
  restoreRow,
  restoreWaiting,
} from '../engine/restore.ts';
import type { InstanceEffect } from '../engine/series.ts';
import type { AlertIdOf } from '../engine/state-row.ts';
import { WaitingLog } from '../engine/waiting-log.ts';
import type { EngineCounts } from '../engine/working-set.ts';
import type { AlertNotification } from '../model.ts';
import { countKey } from '../rules/config.ts';
import type { SensorFacts } from '../rules/effective.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import type { Silence } from '../suppress/silence.ts';
import { ScenarioTables, type StoredAlert } from './scenario-tables.ts';

/** One event of a scenario, at a moment of the receive clock. */
export type ScenarioEvent =
  | {
      readonly kind: 'reading';
      readonly atMs: Millis;
      readonly timeUs: Micros;
      readonly sensor: string;
      readonly metrics: ReadonlyMap<string, unknown>;
    }
  /** An availability message, a last will or a death certificate. */
  | {
      readonly kind: 'availability';
      readonly atMs: Millis;
      readonly sensor: string;
      readonly online: boolean;
      readonly retained: boolean;
    }
  | { readonly kind: 'tick' | 'connect' | 'disconnect'; readonly atMs: Millis }
  | { readonly kind: 'restart'; readonly atMs: Millis }
  /** `rules` is undefined if the new configuration was rejected with `faults`: the old one stays. */
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
      /** End of an acknowledgement. */
      readonly untilMs?: Millis | undefined;
    }
  /** Retires a sensor; `untilSeen`: until its next reading. */
  | {
      readonly kind: 'retire';
      readonly atMs: Millis;
      readonly sensor: string;
      readonly untilSeen: boolean;
      readonly undo: boolean;
    }
  | { readonly kind: 'silence'; readonly atMs: Millis; readonly silence: Silence }
  | { readonly kind: 'expire'; readonly atMs: Millis; readonly id: string };

type AvailabilityEvent = Extract<ScenarioEvent, { kind: 'availability' }>;

/** The sinks of a scenario, and what leads to them. */
export interface ScenarioSinks {
  readonly routes: NotificationRoutes;
  /** Names of the sinks that take several notifications as one. */
  readonly grouped: ReadonlySet<string>;
}

export interface Scenario {
  readonly rules: RuleSet;
  readonly sinks?: ScenarioSinks | undefined;
  readonly sensors: readonly SensorFacts[];
  /** Silences that exist from the start. */
  readonly silences?: readonly Silence[];
  readonly startMs: Millis;
  readonly connected: boolean;
  readonly events: readonly ScenarioEvent[];
}

export interface ScenarioOutcome {
  readonly transitions: readonly InstanceEffect[];
  readonly rows: readonly StoredAlert[];
  readonly notifications: readonly AlertNotification[];
  /** Deliveries to the sinks. */
  readonly sent: readonly SentDelivery[];
  readonly counts: EngineCounts;
}

/** Runs a timeline through the engine of the daemon, with in-memory tables. */
export function runScenario(scenario: Scenario, alertId: AlertIdOf): ScenarioOutcome {
  const run = new ScenarioRun(scenario, alertId);
  for (const event of scenario.events) run.apply(event);
  return run.outcome();
}

class ScenarioRun {
  private engine: AlertEngine;
  private rules: RuleSet;
  private silences: readonly Silence[];
  private readonly alertId: AlertIdOf;
  private readonly sensors = new Map<string, SensorFacts>();
  private readonly tables = new ScenarioTables();
  private readonly waiting = new WaitingLog('', 'scenario');
  private readonly deliveries: DeliverySimulation | undefined;
  private nowMs: Millis;
  /** So many notifications were handed to the sinks. */
  private published = 0;

  constructor(scenario: Scenario, alertId: AlertIdOf) {
    this.rules = scenario.rules;
    this.silences = scenario.silences ?? [];
    this.alertId = alertId;
    this.nowMs = scenario.startMs;
    const { sinks } = scenario;
    this.deliveries = sinks && new DeliverySimulation(sinks.routes, sinks.grouped, (id) => this.factsOf(id));
    for (const sensor of scenario.sensors) this.sensors.set(sensor.key, sensor);
    this.engine = new AlertEngine(this.rules);
    this.engine.silence(this.silences, scenario.startMs);
    this.attachCounts(this.engine);
    this.expectAll(this.engine);
    if (scenario.connected) this.engine.connected(scenario.startMs);
  }

  apply(event: ScenarioEvent): void {
    this.nowMs = event.atMs;
    this.deliveries?.advance(event.atMs, this.tables);
    this.engine.begin();
    this.engine.tick(event.atMs);
    if (event.kind === 'restart' || event.kind === 'reload' || event.kind === 'retire') {
      this.commit();
      if (event.kind === 'restart') this.restart(event.atMs);
      else if (event.kind === 'reload') this.reload(event.rules, event.atMs);
      else this.retire(event);
      return;
    }
    if (event.kind === 'reading' && this.sensorOf(event.sensor).retired === 'until_seen') {
      this.commit();
      this.changeSensor(event.sensor, { retired: null }, event.atMs);
      this.engine.begin();
    }
    this.input(event);
    this.commit();
  }

  outcome(): ScenarioOutcome {
    this.deliveries?.advance(this.nowMs, this.tables, { inclusive: true });
    const { alerts: rows, transitions, notifications, counts } = this.tables;
    return { transitions, rows, notifications, sent: this.deliveries?.sent ?? [], counts };
  }

  private input(event: Exclude<ScenarioEvent, { kind: 'restart' | 'reload' | 'retire' }>): void {
    switch (event.kind) {
      case 'reading':
        return this.reading(event);
      case 'availability':
        return this.availability(event);
      case 'tick':
        return;
      case 'connect':
        return this.engine.connected(event.atMs);
      case 'disconnect':
        return this.engine.disconnected();
      case 'ack':
      case 'resolve': {
        const { kind, atMs, sensor, alertType, by, untilMs } = event;
        const sensorId = this.sensors.get(sensor)?.id;
        if (sensorId === undefined) return;
        const command = { kind, sensorId, alertType, alertId: undefined, by, untilMs };
        applyCommand(this.engine, command, atMs, this.alertId);
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

  /** Open alerts are deferred or notified at once. */
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

  /** Applies the availability of a sensor to itself and to those that send through it. */
  private availability({ sensor: key, atMs, online, retained }: AvailabilityEvent): void {
    const metrics = new Map([[AVAILABILITY, online ? 1 : 0]]);
    const timeUs = atMs * 1000;
    const covered = [...this.sensors.values()].filter(({ gateway }) => gateway === key);
    for (const sensor of [this.sensorOf(key), ...covered])
      this.engine.reading({ sensor, timeUs, receivedAtMs: atMs, metrics, retained });
  }

  /** A new process: it knows only what is in the tables. */
  private restart(atMs: Millis): void {
    const engine = new AlertEngine(this.rules);
    this.attachCounts(engine);
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
    beginWith(engine, changes, atMs);
    this.commit();
    engine.connected(atMs);
  }

  /** `changed`: a sensor of which silence counts from now. */
  private reload(rules: RuleSet | undefined, atMs: Millis, changed?: string): void {
    if (rules === undefined) return;
    const byId = new Map([...this.sensors.values()].map((sensor) => [sensor.id, sensor]));
    const { engine, changes } = migrate(this.engine, rules, (id) => byId.get(id));
    this.attachCounts(engine);
    for (const { sensor, metric, timeUs } of this.tables.newest(atMs * 1000))
      engine.expect(this.sensorOf(sensor.key), metric, sensor.key === changed ? atMs : timeUs / 1000);
    this.expectAll(engine, atMs);
    this.restoreLast(engine, atMs);
    engine.silence(this.silences, atMs);
    this.engine = engine;
    this.rules = rules;
    beginWith(engine, changes, atMs);
    this.commit();
  }

  private retire({ sensor, atMs, untilSeen, undo }: Extract<ScenarioEvent, { kind: 'retire' }>): void {
    this.changeSensor(sensor, { retired: undo ? null : untilSeen ? 'until_seen' : 'for_good' }, atMs);
  }

  /** Sensors have changed: the same rules apply to them as they are now. */
  private changeSensor(key: string, change: Partial<SensorFacts>, atMs: Millis): void {
    this.sensors.set(key, { ...this.sensorOf(key), ...change });
    this.reload(this.rules, atMs, key);
  }

  /** Restores what is stored, also for metrics that no rule has covered until now. */
  private restoreLast(engine: AlertEngine, atMs: Millis): void {
    const untilUs = atMs * 1000 + engine.rules.futureSkewUs;
    for (const last of this.tables.newest(untilUs))
      restoreLast(engine, this.sensorOf(last.sensor.key), last.metric, last);
  }

  private commit(): void {
    const { work } = this.engine;
    const { row: waiting, commit } = this.waiting.next(this.engine);
    this.tables.commit(work.effects, work.counts, { ...batchOfWork(work, this.alertId), waiting });
    this.engine.commit();
    commit();
    const { notifications } = this.tables;
    this.deliveries?.publish(notifications.slice(this.published), this.nowMs);
    this.published = notifications.length;
  }

  private factsOf(sensorId: number): SensorFactsOf {
    const sensor = [...this.sensors.values()].find(({ id }) => id === sensorId);
    return { name: null, ...(sensor ?? { location: null }) };
  }

  /** As a daemon registers them at its start. */
  private attachCounts(engine: AlertEngine): void {
    for (const { name } of engine.rules.config.counts ?? [])
      engine.attachCount(this.sensorOf(countKey(name)));
  }

  /** Registered sensors that never sent anything are missed as sensors; with `offline_after`, all of them. */
  private expectAll(engine: AlertEngine, sinceMs?: Millis): void {
    for (const sensor of this.sensors.values()) {
      const { offline, countsMessages } = engine.rules.rulesFor(sensor);
      if (offline === undefined || (!countsMessages && this.tables.hasReceived(sensor))) continue;
      engine.expect(sensor, OF_SENSOR, sinceMs, this.tables.hasReceived(sensor));
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
