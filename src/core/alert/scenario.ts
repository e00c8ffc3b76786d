import type { Micros, Millis } from '../reading.ts';
import { batchOf } from './batch.ts';
import type { SensorFacts } from './effective.ts';
import { Engine } from './engine.ts';
import type { EngineCounts } from './engine.ts';
import type { AlertNotification, AlertResolution, AlertRow, AlertStateRow } from './model.ts';
import { applyChange, migrate, restoreRow } from './restore.ts';
import type { RuleChange } from './restore.ts';
import type { AlertIdOf } from './row.ts';
import type { RuleSet } from './rules.ts';
import type { Cell, CellEffect, Series } from './series.ts';

/** One thing that happens, at a moment of the receive clock. */
export type ScenarioEvent =
  | {
      readonly kind: 'reading';
      readonly atMs: Millis;
      readonly timeUs: Micros;
      readonly sensor: string;
      readonly metrics: ReadonlyMap<string, unknown>;
    }
  | { readonly kind: 'tick' | 'connect' | 'disconnect' | 'restart'; readonly atMs: Millis }
  /** `rules` is undefined where the new configuration was refused: the old one stays. */
  | { readonly kind: 'reload'; readonly atMs: Millis; readonly rules: RuleSet | undefined }
  | {
      readonly kind: 'ack' | 'resolve';
      readonly atMs: Millis;
      readonly sensor: string;
      readonly alertType: string;
      readonly by: string;
    };

export interface Scenario {
  readonly rules: RuleSet;
  readonly sensors: readonly SensorFacts[];
  readonly startMs: Millis;
  readonly connected: boolean;
  readonly events: readonly ScenarioEvent[];
}

/** A row of `sensor_alerts` as the database would have it. */
export type StoredAlert = AlertRow & Partial<AlertResolution>;

export interface ScenarioOutcome {
  readonly transitions: readonly CellEffect[];
  readonly rows: readonly StoredAlert[];
  readonly notifications: readonly AlertNotification[];
  readonly counts: EngineCounts;
  readonly refusedReloads: number;
}

/** Not transitions: somebody is told again of what is so already. */
const TOLD_AGAIN: readonly string[] = ['announced', 'reminder'];

/** Runs a timeline through the engine that the daemon runs, with tables in memory. */
export function runScenario(scenario: Scenario, alertId: AlertIdOf): ScenarioOutcome {
  const run = new ScenarioRun(scenario, alertId);
  for (const event of scenario.events) run.apply(event);
  return run.outcome();
}

class ScenarioRun {
  private engine: Engine;
  private rules: RuleSet;
  private readonly alertId: AlertIdOf;
  private readonly sensors = new Map<string, SensorFacts>();
  private readonly transitions: CellEffect[] = [];
  private readonly notifications: AlertNotification[] = [];
  private readonly rows = new Map<string, StoredAlert>();
  private readonly states = new Map<string, AlertStateRow>();
  /** Newest stored reading per sensor and metric. */
  private readonly stored = new Map<
    string,
    { sensor: SensorFacts; metric: string; timeUs: Micros; value: number }[]
  >();
  private readonly counts: EngineCounts = {
    evaluated: 0,
    held: 0,
    late: 0,
    duplicate: 0,
    invalid: 0,
    clamped: 0,
  };
  private refused = 0;

  constructor(scenario: Scenario, alertId: AlertIdOf) {
    this.rules = scenario.rules;
    this.alertId = alertId;
    for (const sensor of scenario.sensors) this.sensors.set(sensor.key, sensor);
    this.engine = new Engine(this.rules);
    this.expectAll();
    if (scenario.connected) this.engine.connected(scenario.startMs);
  }

  apply(event: ScenarioEvent): void {
    this.engine.begin();
    this.engine.tick(event.atMs);
    switch (event.kind) {
      case 'reading':
        this.reading(event);
        break;
      case 'tick':
        break;
      case 'connect':
        this.engine.connected(event.atMs);
        break;
      case 'disconnect':
        this.engine.disconnected();
        break;
      case 'ack':
      case 'resolve':
        this.operator(event);
        break;
      case 'restart':
        this.commit();
        this.restart(event.atMs);
        return;
      case 'reload':
        this.commit();
        this.reload(event.rules, event.atMs);
        return;
    }
    this.commit();
  }

  outcome(): ScenarioOutcome {
    return {
      transitions: this.transitions,
      rows: [...this.rows.values()],
      notifications: this.notifications,
      counts: this.counts,
      refusedReloads: this.refused,
    };
  }

  private reading(event: Extract<ScenarioEvent, { kind: 'reading' }>): void {
    const sensor = this.sensorOf(event.sensor);
    const { timeUs, metrics } = event;
    this.engine.reading({ sensor, timeUs, receivedAtMs: event.atMs, metrics });
    for (const [metric, value] of metrics) {
      if (typeof value !== 'number' || !Number.isFinite(value)) continue;
      const key = `${sensor.id} ${metric}`;
      const list = this.stored.get(key) ?? [];
      this.stored.set(key, list);
      // The first value that is stored for a time is kept.
      if (!list.some((each) => each.timeUs === timeUs)) list.push({ sensor, metric, timeUs, value });
    }
  }

  private operator(event: Extract<ScenarioEvent, { kind: 'ack' | 'resolve' }>): void {
    const found = this.find(event.sensor, event.alertType);
    if (found === undefined) return;
    const { series, cell } = found;
    const { kind, atMs, by } = event;
    const last = this.engine.enter(series).lastFor(cell);
    series.apply(
      cell,
      kind === 'ack' ? { kind, atMs, by, last } : { kind, atMs, last },
      atMs,
      this.engine.pending,
    );
    this.engine.arm(series);
  }

  private find(key: string, alertType: string): { series: Series; cell: Cell } | undefined {
    for (const [sensor, series] of this.engine.allSeries()) {
      if (sensor.key !== key) continue;
      const cell = series.cells.find(({ condition }) => condition.alertType === alertType);
      if (cell !== undefined) return { series, cell };
    }
    return undefined;
  }

  /** A new process: what it knows is in the tables. */
  private restart(atMs: Millis): void {
    const engine = new Engine(this.rules);
    const byId = new Map([...this.sensors.values()].map((sensor) => [sensor.id, sensor]));
    const changes: RuleChange[] = [];
    for (const row of this.states.values()) {
      const sensor = byId.get(row.sensorId);
      const change = sensor === undefined ? undefined : restoreRow(engine, sensor, row);
      if (change !== undefined) changes.push(change);
    }
    const untilUs = atMs * 1000 + this.rules.futureSkewUs;
    for (const list of this.stored.values()) {
      const known = list.filter(({ timeUs }) => timeUs <= untilUs).sort((a, b) => b.timeUs - a.timeUs)[0];
      if (known !== undefined) engine.restoreLast(known.sensor, known.metric, known);
    }
    this.engine = engine;
    this.expectAll();
    engine.begin();
    for (const change of changes) applyChange(engine, change, atMs);
    this.commit();
    engine.connected(atMs);
  }

  private reload(rules: RuleSet | undefined, atMs: Millis): void {
    if (rules === undefined) {
      this.refused++;
      return;
    }
    const { engine, changes } = migrate(this.engine, rules, () => undefined);
    this.engine = engine;
    this.rules = rules;
    engine.begin();
    for (const change of changes) applyChange(engine, change, atMs);
    this.commit();
  }

  private commit(): void {
    const { effects, touched, counts } = this.engine.work;
    const batch = batchOf(effects, touched, this.alertId);
    this.transitions.push(...effects.filter(({ effect }) => !TOLD_AGAIN.includes(effect.transition)));
    this.notifications.push(...batch.notifications);
    for (const key of Object.keys(counts) as (keyof EngineCounts)[]) this.counts[key] += counts[key];
    for (const row of batch.raised) {
      const key = `${row.sensorId}|${row.alertType}|${row.timeUs}`;
      if (!this.rows.has(key)) this.rows.set(key, row);
    }
    for (const end of batch.resolved) {
      const key = `${end.sensorId}|${end.alertType}|${end.firedAtUs}`;
      const row = this.rows.get(key);
      if (row !== undefined && row.resolvedAtUs === undefined) this.rows.set(key, { ...row, ...end });
    }
    for (const row of batch.states) {
      const key = `${row.sensorId}|${row.alertType}`;
      if (row.state === 'ok' && Object.keys(row.detail).length === 0) this.states.delete(key);
      // As the database gives it back: what JSON does not carry must not be relied on.
      else this.states.set(key, JSON.parse(JSON.stringify(row)) as AlertStateRow);
    }
    this.engine.adopt();
  }

  /** Registered sensors that were never heard are missed for whatever the rules name. */
  private expectAll(): void {
    for (const sensor of this.sensors.values()) {
      if ([...this.stored.values()].some(([first]) => first?.sensor === sensor)) continue;
      for (const metric of this.engine.watchedForSilence(sensor)) this.engine.expect(sensor, metric);
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
