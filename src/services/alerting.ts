import { batchOf } from '../core/alert/batch.ts';
import { Engine } from '../core/alert/engine.ts';
import type { EngineReading } from '../core/alert/engine.ts';
import type { AlertBatch, AlertNotification, AlertStateRow } from '../core/alert/model.ts';
import { EMPTY_ALERT_BATCH } from '../core/alert/model.ts';
import { applyChange, migrate, restoreRow } from '../core/alert/restore.ts';
import type { RuleChange } from '../core/alert/restore.ts';
import type { RuleSet } from '../core/alert/rules.ts';
import { messageOf } from '../core/errors.ts';
import type { Micros } from '../core/reading.ts';
import type { AlertLog, AlertStore, Clock, Logger, Metrics, ReadingSpan, Sensor } from '../ports.ts';
import { alertId } from './alert-id.ts';
import { alertFields, alertLine, logAlert } from './alert-lines.ts';
import { AlertMetrics } from './alert-metrics.ts';

export interface AlertingDeps {
  readonly rules: RuleSet;
  readonly store: AlertStore;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** The alert log of its own, if one is configured. */
  readonly alertLog?: AlertLog | undefined;
}

/** A reading whose sensor is known. */
export type EvaluatedReading = EngineReading & { readonly sensor: Sensor };

/** What readings do to the alerts. Nothing is remembered until `adopt`, which belongs right after COMMIT. */
export interface Evaluation {
  readonly batch: AlertBatch;
  adopt(): void;
}

export function createAlerting(deps: AlertingDeps): Alerting {
  return new Alerting(deps);
}

/** The alert engine in the daemon: state at start, one evaluation per batch, lines after commit. */
export class Alerting {
  private readonly deps: AlertingDeps;
  private readonly figures: AlertMetrics;
  private engine: Engine;
  /** Rules that changed while the daemon was down; told with the first batch. */
  private changes: readonly RuleChange[] = [];
  private unmarked: Pick<AlertNotification, 'alertId' | 'seq'>[] = [];
  private marking: Promise<void> | undefined;

  constructor(deps: AlertingDeps) {
    this.deps = deps;
    this.engine = new Engine(deps.rules);
    this.figures = new AlertMetrics(deps.metrics, () => this.engine.open);
  }

  /** Restores the state, and announces what a crash kept from being announced. Before the first subscription. */
  async load(sensors: readonly Sensor[]): Promise<void> {
    const { store, clock, logger, rules } = this.deps;
    const engine = new Engine(rules);
    const rows = await store.loadStates();
    const known = new Map(sensors.map((sensor) => [sensor.id, sensor]));
    const changes = rows.flatMap((row) => {
      return restoreRow(engine, known.get(row.sensorId) ?? unregistered(row), row) ?? [];
    });
    const toUs = clock.nowMs() * 1000 + rules.futureSkewUs;
    const oldest = oldestEvents(rows);
    await this.loadLast(
      engine,
      rows.map((row) => known.get(row.sensorId) ?? unregistered(row)),
      (sensorId, staleAfterUs) => {
        return { sensorId, fromUs: Math.max(0, (oldest.get(sensorId) ?? 0) - staleAfterUs), toUs };
      },
    );
    this.engine = engine;
    this.changes = changes;
    logger.info({ states: rows.length, changed_rules: changes.length }, 'alert states restored');
    this.announce(await store.pendingNotifications());
  }

  /** Fetches the last events of sensors that are new to this process: one query per batch that has any. */
  async prepare(readings: readonly EvaluatedReading[]): Promise<void> {
    const { engine } = this;
    const fresh = new Map<number, { sensor: Sensor; fromUs: Micros; toUs: Micros }>();
    for (const { sensor, timeUs, receivedAtMs } of readings) {
      if (engine.knows(sensor.id)) continue;
      const toUs = receivedAtMs * 1000 + engine.rules.futureSkewUs;
      const eventUs = timeUs > toUs ? receivedAtMs * 1000 : timeUs;
      const found = fresh.get(sensor.id);
      if (found === undefined) fresh.set(sensor.id, { sensor, fromUs: eventUs, toUs });
      else if (eventUs < found.fromUs) found.fromUs = eventUs;
    }
    if (fresh.size === 0) return;
    const sensors = [...fresh.values()].map(({ sensor }) => sensor);
    await this.loadLast(engine, sensors, (sensorId, staleAfterUs) => {
      const { fromUs = 0, toUs = 0 } = fresh.get(sensorId) ?? {};
      // What is older is a gap whatever it was; 0 asks for nothing before the epoch.
      return { sensorId, fromUs: Math.max(0, fromUs - staleAfterUs), toUs };
    });
  }

  evaluate(readings: readonly EvaluatedReading[]): Evaluation {
    const { engine, changes } = this;
    engine.begin();
    if (changes.length > 0) this.applyAll(engine, changes);
    for (const reading of readings) engine.reading(reading);
    const { effects, touched, counts } = engine.work;
    const batch = touched.length === 0 ? EMPTY_ALERT_BATCH : batchOf(effects, touched, alertId);
    return {
      batch,
      adopt: () => {
        engine.adopt();
        if (changes.length > 0) this.changes = [];
        this.figures.count(counts, batch);
        this.logTransitions(effects);
      },
    };
  }

  /** Episodes that are open. */
  firing(): number {
    let count = 0;
    for (const series of this.engine.open)
      for (const { committed } of series.cells)
        if (committed.kind !== 'ok' && committed.kind !== 'pending') count++;
    return count;
  }

  /** New rules (section 9), and the sensors as they are now. To be committed like a batch of readings, with no other evaluation in between. */
  reload(rules: RuleSet, sensors: Iterable<Sensor> = []): Evaluation {
    const current = new Map([...sensors].map((sensor) => [sensor.id, sensor]));
    const { engine, changes } = migrate(this.engine, rules, (sensorId) => current.get(sensorId));
    engine.begin();
    this.applyAll(engine, [...this.changes, ...changes]);
    const { effects, touched, counts } = engine.work;
    const batch = batchOf(effects, touched, alertId);
    return {
      batch,
      adopt: () => {
        engine.adopt();
        this.engine = engine;
        this.changes = [];
        this.figures.count(counts, batch);
        this.logTransitions(effects);
      },
    };
  }

  /** One line per notification, after its commit; then the outbox is told. Never throws, never waits. */
  announce(notifications: readonly AlertNotification[]): void {
    if (notifications.length === 0) return;
    const { logger, alertLog, clock } = this.deps;
    for (const notification of notifications) {
      const fields = alertFields(notification, true);
      logAlert(logger, notification, fields);
      alertLog?.write(alertLine(notification, fields, clock.nowMs()));
      this.unmarked.push({ alertId: notification.alertId, seq: notification.seq });
    }
    this.marking ??= this.markSent().finally(() => {
      this.marking = undefined;
    });
  }

  /** Resolves once the outbox knows of what was announced, or cannot be told. */
  async stop(): Promise<void> {
    await this.marking;
  }

  /** What cannot be marked is tried again with the next announcement; after a crash it is announced once more. */
  private async markSent(): Promise<void> {
    while (this.unmarked.length > 0) {
      const sent = this.unmarked;
      this.unmarked = [];
      try {
        await this.deps.store.markSent(sent);
      } catch (error) {
        this.unmarked = [...sent, ...this.unmarked];
        this.deps.logger.warn(
          { error: messageOf(error), notifications: this.unmarked.length },
          'cannot mark notifications as sent; tried again with the next one',
        );
        return;
      }
    }
  }

  private applyAll(engine: Engine, changes: readonly RuleChange[]): void {
    const nowMs = this.deps.clock.nowMs();
    for (const change of changes) applyChange(engine, change, nowMs);
  }

  private async loadLast(
    engine: Engine,
    sensors: readonly Sensor[],
    span: (sensorId: number, staleAfterUs: Micros) => ReadingSpan,
  ): Promise<void> {
    const watched = new Map<number, Sensor>();
    for (const sensor of sensors)
      if (engine.longestStaleUs(sensor) !== undefined) watched.set(sensor.id, sensor);
    if (watched.size > 0) {
      const spans = [...watched.values()].map((sensor) =>
        span(sensor.id, engine.longestStaleUs(sensor) ?? 0),
      );
      for (const { sensorId, metric, timeUs, value } of await this.deps.store.loadLastReadings(spans)) {
        const sensor = watched.get(sensorId);
        if (sensor !== undefined) engine.restoreLast(sensor, metric, { timeUs, value });
      }
    }
    // Known from here on, rules or not: a failed query above leaves them unknown, to be asked for again.
    for (const sensor of sensors) engine.register(sensor);
  }

  private logTransitions(effects: Engine['work']['effects']): void {
    for (const { series, cell, effect } of effects)
      this.deps.logger.debug(
        {
          sensor_id: series.sensorId,
          alert_type: cell.condition.alertType,
          transition: effect.transition,
          event_time_ms: effect.timeUs / 1000,
        },
        'alert transition',
      );
  }
}

function unregistered(row: AlertStateRow): Sensor {
  return {
    id: row.sensorId,
    key: `sensor ${row.sensorId}`,
    name: null,
    type: null,
    location: null,
    tags: [],
  };
}

function oldestEvents(rows: readonly AlertStateRow[]): ReadonlyMap<number, Micros> {
  const oldest = new Map<number, Micros>();
  for (const { sensorId, lastEventUs } of rows)
    oldest.set(sensorId, Math.min(lastEventUs, oldest.get(sensorId) ?? Infinity));
  return oldest;
}
