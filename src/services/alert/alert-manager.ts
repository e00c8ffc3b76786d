import { randomUUID } from 'node:crypto';
import { shardOf } from '../../core/alert/cluster/shard.ts';
import { batchOf, joinedParts } from '../../core/alert/engine/alert-batch.ts';
import { AlertEngine } from '../../core/alert/engine/engine.ts';
import { AlertPreview } from '../../core/alert/engine/preview.ts';
import { migrate } from '../../core/alert/engine/restore.ts';
import type { AlertBatch, AlertChange, AlertNotification } from '../../core/alert/model.ts';
import type { RuleSet } from '../../core/alert/rules/rule-set.ts';
import type { Millis } from '../../core/reading.ts';
import { runSliced, slicesOf } from '../../lib/slices.ts';
import type { AlertLineKey, AlertLog, AlertStore, LastReadings, OperatorStore } from '../../ports/alerts.ts';
import type { Connectivity } from '../../ports/messages.ts';
import type { Logger, Metrics } from '../../ports/metrics.ts';
import type { Sensor } from '../../ports/sensors.ts';
import type { Clock } from '../../ports/time.ts';
import type { DeliveryRouter } from '../notify/dispatcher.ts';
import { alertId } from './alert-id.ts';
import { AlertTicker, TICK_SLICE } from './alert-ticker.ts';
import type { ShardTable } from './cluster/shard-table.ts';
import { type EvaluatedBatch, Evaluations } from './evaluation.ts';
import { type InputSource, InputAvailability } from './input-availability.ts';
import { AlertMetrics } from './metrics.ts';
import { exportAlertStates } from './state-series.ts';
import { OperatorCommands } from './operator-commands.ts';
import { type AlertDescriber, AlertPublisher } from './publisher.ts';
import { RuleChangeQueue } from './rule-change-queue.ts';
import { SilenceLog } from './silence-log.ts';
import {
  type EvaluatedReading,
  type Expected,
  loadEngine,
  loadExpected,
  prepareEngine,
} from './state-loader.ts';

export interface AlertManagerDeps {
  readonly rules: RuleSet;
  readonly store: AlertStore;
  readonly lastReadings: LastReadings;
  readonly operators: OperatorStore;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** In a share group: the part that it evaluates; absent: everything. */
  readonly shards?: ShardTable | undefined;
  /** The separate alert log, if one is configured. */
  readonly alertLog?: AlertLog | undefined;
  /** Called for each line after its commit. */
  readonly onAlert?: ((change: AlertChange) => void) | undefined;
  /** Any sensor has a gateway. */
  readonly hasGateways?: (() => boolean) | undefined;
  /** The sinks, if any are configured. */
  readonly router?: DeliveryRouter | undefined;
  readonly describer?: AlertDescriber | undefined;
  /** Series of open alerts at most, for Prometheus; absent: none. */
  readonly stateSeries?: number | undefined;
}

/** Values, and their alerts, per event loop iteration: one message may raise tens of thousands of alerts. */
const EVALUATED_PER_TURN = 1000;
const valuesOf = ({ metrics }: EvaluatedReading): number => metrics.size;

export function createAlertManager(deps: AlertManagerDeps): AlertManager {
  return new AlertManager(deps);
}

/** The alert engine in the daemon: state at start, one evaluation per batch, lines after commit. */
export class AlertManager {
  private readonly deps: AlertManagerDeps;
  private readonly publisher: AlertPublisher;
  private readonly operatorCommands: OperatorCommands;
  private readonly silenceLog: SilenceLog;
  private engine: AlertEngine;
  private readonly changes = new RuleChangeQueue();
  private readonly inputs: InputAvailability;
  private readonly evaluations: Evaluations;
  /** Shards that are no longer owned but still in the engine: an evaluation may be under way. */
  private readonly forgotten = new Set<number>();
  private readonly ticker: AlertTicker;
  private knownSensors = 0;

  constructor(deps: AlertManagerDeps) {
    this.deps = deps;
    this.engine = new AlertEngine(deps.rules);
    this.publisher = new AlertPublisher(deps);
    this.operatorCommands = new OperatorCommands(deps);
    this.silenceLog = new SilenceLog({ ...deps, publish: (lines) => this.publisher.publish(lines) });
    this.inputs = new InputAvailability(deps);
    const figures = new AlertMetrics(deps.metrics, deps.clock, () => this.engine.open);
    this.evaluations = new Evaluations({ ...deps, figures, changes: this.changes, process: randomUUID() });
    this.ticker = new AlertTicker({
      ...deps,
      engine: () => this.engine,
      sensorSeq: () => this.knownSensors,
      dropForgotten: () => this.dropForgotten(),
      changes: this.changes,
      evaluations: this.evaluations,
      operatorCommands: this.operatorCommands,
      silenceLog: this.silenceLog,
      room: () => this.publisher.room(),
    });
    exportAlertStates(deps.metrics, () => this.engine.open, deps.stateSeries ?? 0);
  }

  /** Restores the state, and publishes what a crash left unpublished. Before the first evaluation. */
  async load(sensors: readonly Sensor[]): Promise<void> {
    const { clock, logger } = this.deps;
    const former = this.engine;
    const nowUs = clock.nowMs() * 1000;
    const { group } = this.evaluations;
    const shards = this.evaluations.loadedShards();
    const loaded = await loadEngine(former.rules, sensorsIn(shards, sensors), this.deps, {
      ...{ nowUs, group, shards },
    });
    const { engine, changes, states, found } = loaded;
    const silences = await this.operatorCommands.load();
    this.silenceLog.know(silences);
    // New rules arrived in the middle of a run.
    if (this.engine !== former) return this.load(sensors);
    this.forgotten.clear();
    engine.silence(silences, clock.nowMs());
    engine.inheritReceived(this.engine, clock.nowMs());
    // After a start without the database, the broker has long been connected.
    engine.inheritConnection(this.engine);
    this.engine = engine;
    this.evaluations.loaded(found);
    this.changes.replace(changes);
    logger.info({ states, changed_rules: changes.length }, 'alert states restored');
    await this.publisher.resume(shards);
  }

  /**
   * Reads the state that earlier owners of these shards left. The returned function loads it, between two batches, except
   * for shards that are no longer owned; undefined where rules or sensors changed meanwhile.
   */
  async include(
    shards: readonly number[],
    sensors: readonly Sensor[],
  ): Promise<(owned: readonly number[]) => boolean> {
    const { clock, logger } = this.deps;
    const { rules } = this.engine;
    const seq = this.knownSensors;
    const nowUs = clock.nowMs() * 1000;
    const loaded = await loadEngine(rules, sensorsIn(shards, sensors), this.deps, {
      ...{ nowUs, group: this.evaluations.group, shards },
    });
    const silences = await this.operatorCommands.load();
    this.silenceLog.know(silences);
    return (owned) => {
      if (this.engine.rules !== rules || this.knownSensors !== seq) return false;
      this.dropForgotten();
      const isElsewhere = outside(owned);
      loaded.engine.forget(isElsewhere);
      this.engine.absorb(loaded.engine, clock.nowMs());
      this.engine.silence(silences, clock.nowMs());
      const { found } = loaded;
      const unstored = found.unstored.filter(({ sensorId }) => !isElsewhere(sensorId));
      this.evaluations.included({ ...found, unstored });
      const changes = loaded.changes.filter(({ series }) => !isElsewhere(series.sensorId));
      this.changes.replace([...this.changes.all, ...changes]);
      const { states } = loaded;
      logger.info({ shards: owned.length, states, changed_rules: changes.length }, 'alert states restored');
      return true;
    };
  }

  /** Publishes what earlier owners of these shards left unpublished. */
  resume(shards: readonly number[]): Promise<void> {
    return this.publisher.resume(shards);
  }

  /** These shards are no longer evaluated: the next evaluation drops their state. */
  forget(shards: Iterable<number>): void {
    for (const shard of shards) this.forgotten.add(shard);
  }

  /** Drops that state immediately, between two batches. */
  dropForgotten(): void {
    if (this.forgotten.size === 0) return;
    const gone = new Set(this.forgotten);
    this.forgotten.clear();
    const isForgotten = (sensorId: number) => gone.has(shardOf(sensorId));
    this.engine.forget(isForgotten);
    this.evaluations.forget(isForgotten);
    this.changes.replace(this.changes.all.filter(({ series }) => !isForgotten(series.sensorId)));
  }

  /** Between two batches: readings wait at least this long for earlier ones. */
  waitFor(ms: Millis): void {
    this.dropForgotten();
    this.engine.waitFor(ms);
  }

  /** Lines that the last process published while the database was away: they are not published again with their rows. */
  wereNotified(lines: readonly AlertLineKey[]): void {
    this.publisher.wereNotified(lines);
  }

  /** Resolves once the outbox records what was published, as far as it could be written. True: all of it. */
  published(): Promise<boolean> {
    return this.publisher.settled();
  }

  /** Resolves once few notifications wait to be logged and queued for the sinks: before more are made. Undefined: few wait. */
  room(): Promise<void> | undefined {
    return this.publisher.room();
  }

  /** An alert of one sensor may suppress one of another, so one engine has to have both. */
  get connectsSensors(): boolean {
    const { rules } = this.engine;
    const hasGateways = rules.missesAnything && this.deps.hasGateways?.() === true;
    if (hasGateways || rules.relatesSensors) return true;
    return rules.config.inhibit.some(({ equal }) => !equal.includes('sensor'));
  }

  /** The sensor change counter at which the state was read. */
  get sensorSeq(): number {
    return this.knownSensors;
  }

  /** The sensors are read again, as at a start. */
  async sensorsChanged(registry: { readonly sensorSeq: number; all(): Iterable<Sensor> }): Promise<void> {
    // The states are read after the sensors: a change in between is detected by the next batch.
    const { sensorSeq } = registry;
    if (this.evaluations.loadedShards()?.length !== 0) await this.load([...registry.all()]);
    this.knownSensors = sensorSeq;
  }

  /** Whether every input that carries readings is available. Where one is not, silence of a sensor cannot be determined. */
  setReceiving(receiving: boolean, source: InputSource): void {
    this.inputs.setReceiving(receiving, source, this.engine);
  }

  /** Nothing that is due later is decided before the waiting readings up to that time are evaluated. */
  setEvaluatedUntil(timeMs: () => Millis): void {
    this.ticker.setEvaluatedUntil(timeMs);
  }

  /** Whether any rule refers to one of these metrics. */
  mayClaim(sensor: Sensor, metrics: ReadonlyMap<string, unknown>): boolean {
    const { named, wildcard, countsMessages } = this.engine.rules.rulesFor(sensor);
    return wildcard || countsMessages || named.some(({ metric }) => metrics.has(metric));
  }

  /** Commits what time and operators decide, from now on. */
  start(...commits: Parameters<AlertTicker['start']>): void {
    this.ticker.start(...commits);
  }

  /** One slice of it, at most until a time, for a caller that commits it itself. */
  tick(untilMs?: Millis): EvaluatedBatch {
    return this.ticker.tick(untilMs);
  }

  /** While the broker is away silence of sensors cannot be determined: one line instead of one per sensor. */
  onConnectivity(connectivity: Connectivity): void {
    this.inputs.onConnectivity(connectivity, this.engine);
  }

  /** Fetches the sensors that the engine has not seen since the start. */
  async prepare(readings: readonly EvaluatedReading[], signal?: AbortSignal): Promise<void> {
    await prepareEngine(this.engine, readings, this.deps.lastReadings, signal);
  }

  /** True of a sensor that needs no fetching. */
  knows(sensorId: number): boolean {
    return this.engine.knows(sensorId);
  }

  /**
   * Evaluates these readings. One evaluation at a time: the next one replaces this one, and this one rejects if it was
   * not finished. Long evaluations yield to other work, and `onStep` is called. `stored`: by the transaction that writes
   * the result.
   */
  async evaluate(
    readings: readonly EvaluatedReading[],
    stored = true,
    onStep: () => void = () => {},
  ): Promise<EvaluatedBatch> {
    const { engine } = this;
    this.dropForgotten();
    const changes = this.changes.before(() => readings.map(({ sensor }) => sensor.id), TICK_SLICE);
    const isCurrent = this.evaluations.begin(engine, changes);
    await runSliced(slicesOf(readings, EVALUATED_PER_TURN, valuesOf), (slice) => {
      isCurrent();
      onStep();
      for (const reading of slice) engine.reading(reading, stored);
    });
    const parts: AlertBatch[] = [];
    const { effects, touched } = engine.work;
    await runSliced(slicesOf(touched, EVALUATED_PER_TURN), (slice) => {
      onStep();
      parts.push(batchOf([], slice, alertId));
    });
    await runSliced(slicesOf(effects, EVALUATED_PER_TURN), (slice) => {
      onStep();
      parts.push(batchOf(slice, [], alertId));
    });
    isCurrent();
    const evaluation = this.evaluations.finish(engine, changes, joinedParts(parts));
    return {
      ...evaluation,
      commit: () => {
        const preview = readings[0]?.previewedBy;
        const previewed = preview?.isOf(engine) && readings.every((each) => each.previewedBy === preview);
        evaluation.commit();
        if (previewed === true) preview?.goOn();
      },
    };
  }

  /** The sensors whose silence new rules watch: also those not seen since the start. */
  async expectedBy(rules: RuleSet, sensors: readonly Sensor[]): Promise<readonly Expected[]> {
    const { lastReadings, clock } = this.deps;
    return loadExpected(rules, sensors, lastReadings, clock.nowMs() * 1000);
  }

  /**
   * New rules (section 9), and the sensors as they are now. Committed like a batch, with no other in between; they are in
   * force then, and a `tick` ends the remaining alerts that they end.
   */
  reload(rules: RuleSet, sensors: Iterable<Sensor> = [], expected: readonly Expected[] = []): EvaluatedBatch {
    const current = new Map([...sensors].map((sensor) => [sensor.id, sensor]));
    const former = this.engine;
    this.dropForgotten();
    const sensorOf = (sensorId: number) => current.get(sensorId);
    const { engine, changes } = migrate(former, rules, sensorOf, this.changes.all);
    // Silence under a new rule counts from the rule's start, except for sensors seen before it.
    const nowMs = this.deps.clock.nowMs();
    for (const { sensor, metric, last } of expected)
      engine.expect(sensor, metric, Math.min(nowMs, (last?.timeUs ?? Infinity) / 1000), last !== undefined);
    for (const sensor of current.values()) {
      engine.attachCount(sensor);
      engine.expectNew(sensor, nowMs);
    }
    engine.silence(former.silences, this.deps.clock.nowMs());
    const evaluation = this.evaluations.run(engine, changes.slice(0, TICK_SLICE), () => undefined);
    return {
      ...evaluation,
      commit: () => {
        // The states were read again meanwhile, and must first be reconciled with these rules.
        if (this.engine !== former) return;
        this.changes.replace(changes);
        evaluation.commit();
        // The broker may have connected or disconnected while this was committed.
        engine.inheritConnection(former);
        if (engine.silences !== former.silences) engine.silence(former.silences, this.deps.clock.nowMs());
        this.engine = engine;
      },
    };
  }

  /** Sensors have got their location. False: their rules change with it, which takes a `reload`. Between two batches. */
  place(sensors: readonly Sensor[]): boolean {
    this.dropForgotten();
    return this.engine.replaceSensors(sensors, this.deps.clock.nowMs());
  }

  /** Whether these rules are in force. */
  follows(rules: RuleSet): boolean {
    return this.engine.rules === rules;
  }

  /** A view of what is still to be committed; `preview`, while it is valid. None while a rule change is pending. */
  previewAlerts(preview?: AlertPreview): AlertPreview | undefined {
    if (preview?.isOf(this.engine) === true) return preview;
    return this.changes.size > 0 ? undefined : new AlertPreview(this.engine, alertId);
  }

  publish(notifications: readonly AlertNotification[]): void {
    this.publisher.publish(notifications);
  }

  /** Stored on this machine's disk only: published now, and not again by the `publish` that follows. */
  publishUnpersisted(notifications: readonly AlertNotification[]): Promise<void> | undefined {
    return this.publisher.publishUnpersisted(notifications);
  }

  /** Open episodes. */
  firing(): number {
    let count = 0;
    for (const series of this.engine.open)
      for (const { committed } of series.instances)
        if (committed.kind !== 'ok' && committed.kind !== 'pending') count++;
    return count;
  }

  async stop(): Promise<void> {
    this.ticker.stop();
    await this.publisher.stop();
  }
}

function sensorsIn(shards: readonly number[] | undefined, sensors: readonly Sensor[]): readonly Sensor[] {
  if (shards === undefined) return sensors;
  const isElsewhere = outside(shards);
  return sensors.filter(({ id }) => !isElsewhere(id));
}

const outside = (shards: readonly number[]): ((sensorId: number) => boolean) => {
  const inside = new Set(shards);
  return (sensorId) => !inside.has(shardOf(sensorId));
};
