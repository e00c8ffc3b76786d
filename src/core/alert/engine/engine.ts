import type { AlertKey } from '../model.ts';
import { AVAILABILITY, type Micros, type Millis } from '../../reading.ts';
import { countKey } from '../rules/config.ts';
import type { SensorFacts } from '../rules/effective.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import type { StepInput } from '../state/state.ts';
import type { Silence } from '../suppress/silence.ts';
import { Suppressor, reevaluateOpen } from '../suppress/suppressor.ts';
import type { AlertInstance } from './alert-instance.ts';
import { OF_SENSOR } from './alert-key.ts';
import { CatchUp, isDue } from './catch-up.ts';
import { Counters } from './counters.ts';
import { SensorSignals } from './sensor-signals.ts';
import { SeriesIndex } from './series-index.ts';
import { NEVER, type MinimumWait } from './series-state.ts';
import { SeriesTimers } from './timers.ts';
import type { Series, InstanceEffect } from './series.ts';
import { type EngineCounts, WorkingSet, noCounts } from './working-set.ts';

/** A reading as input of the engine. Values are unknown: the first step of the pipeline filters them. */
export interface EngineReading {
  readonly sensor: SensorFacts;
  readonly timeUs: Micros;
  readonly receivedAtMs: Millis;
  readonly metrics: ReadonlyMap<string, unknown>;
  /** A retained message of the broker: its sensor may no longer exist. */
  readonly retained?: boolean | undefined;
  /** It is stored elsewhere: the transaction of its evaluation does not store it. */
  readonly spooled?: boolean | undefined;
}

/** The effects of the current working set so far. */
export interface EngineWork {
  readonly effects: readonly InstanceEffect[];
  readonly touched: readonly Series[];
  readonly counts: EngineCounts;
  /** Numbers that began to wait and that the database will not hold, or holds under another time. */
  readonly unstored: readonly { readonly series: Series; readonly timeUs: Micros; readonly value: number }[];
}

/** An alert without a rule, closed while its condition held. */
export interface ClosedAlert {
  readonly sensor: SensorFacts;
  readonly key: AlertKey;
  readonly closedUs: Micros;
}

/**
 * All series of a daemon, in memory. Deterministic and free of I/O: the results follow from the readings and the
 * times passed in. `begin` opens a working set, the inputs change copies, and `commit` makes them the state; without
 * it the next `begin` starts from the same state again.
 */
export class AlertEngine {
  readonly rules: RuleSet;
  /** Alerts closed together with their rule, by key: they stay closed if the rule comes back. */
  readonly closed = new Map<string, ClosedAlert>();
  /** Counts changes of the committed state and of the other inputs. */
  version = 0;
  private readonly map: SeriesIndex;
  private readonly suppressor: Suppressor;
  private readonly counters: Counters;
  private readonly known = new Set<number>();
  private readonly workingSet = new WorkingSet();
  private readonly timers = new SeriesTimers();
  private readonly catchUp: CatchUp;
  private readonly signals: SensorSignals;
  private readonly minimumWait: MinimumWait = { us: 0 };
  private counts: EngineCounts = noCounts();
  /** The current reading is stored elsewhere. */
  private elsewhere = false;
  private unstored: EngineWork['unstored'][number][] = [];

  /**
   * With `former` it starts from the committed state of that engine and does not change it or its working set. A
   * series is copied when it is first needed, so the copy is valid until the version of the former changes.
   */
  constructor(rules: RuleSet, former?: AlertEngine) {
    this.rules = rules;
    this.counters = new Counters(rules.config.counts ?? [], {
      enter: (series) => void this.enter(series),
      arm: (series) => this.arm(series),
    });
    this.suppressor = new Suppressor(
      rules.config,
      {
        receivedMsOf: (series) => this.workingSet.receivedMsOf(series),
        stateOf: (series, instance) => this.workingSet.stateOf(series, instance),
        connectedMs: () => this.timers.connectedMs,
      },
      this.counters,
    );
    const hooks = {
      isSource: (series: Series) => this.suppressor.isSource(series),
      made: (series: Series) => {
        series.minimumWait = this.minimumWait;
        this.link(series);
        if (former !== undefined) this.arm(this.enter(series));
      },
    };
    this.map = new SeriesIndex(rules, hooks, former?.map);
    const { map, workingSet, timers, suppressor } = this;
    this.catchUp = new CatchUp({ map, workingSet, timers, suppressor });
    this.signals = new SensorSignals({ map, workingSet, timers, suppressor, catchUp: this.catchUp });
    if (former === undefined) return;
    for (const { name } of rules.config.counts ?? []) this.map.slotNamed(countKey(name));
    this.inheritConnection(former);
    this.suppressor.follow(former.suppressor, former.open);
  }

  /** A new series knows the gateway of its sensor, and a gateway the series of its own. */
  private link(series: Series): void {
    const { gateways } = this.suppressor;
    const { gateway: key } = series.sensor;
    if (typeof key === 'string' && key !== series.sensorKey) {
      const isNew = gateways.of(key) === undefined;
      const gateway = gateways.named(key);
      if (isNew) this.suppressor.restored();
      gateway.own ??= this.map.slotNamed(key)?.own;
      series.gateway = gateway;
    }
    if (series.instances.some(({ condition }) => condition.minus !== undefined))
      series.partners = ({ sensor, metric }) => {
        const slot = sensor === undefined ? this.map.slotOf(series.sensor) : this.map.slotNamed(sensor);
        return slot === undefined ? undefined : this.map.seriesOf(slot.sensor, metric);
      };
    if (series.instances[0]?.condition.kind === 'count') this.counters.attach(series);
    if (!gateways.exists || series.metric !== OF_SENSOR) return;
    const served = gateways.of(series.sensorKey);
    if (served !== undefined) served.own = series;
  }

  begin(): void {
    this.workingSet.begin();
    this.timers.begin();
    this.suppressor.begin(this.workingSet.open);
    this.counts = noCounts();
    this.unstored = [];
  }

  /** The effects of the working set so far, in order, and the series that it touched. */
  get work(): EngineWork {
    const { effects } = this.suppressor;
    return { effects, touched: this.workingSet.touched, counts: this.counts, unstored: this.unstored };
  }

  /** The series with waiting numbers, the working set included. */
  waiting(): readonly Series[] {
    const entered = new Set(this.workingSet.touched);
    for (const [, series] of this.map.all()) if (series.hasHeld) entered.add(this.enter(series));
    return [...entered].filter(({ held }) => held.length > 0);
  }

  commit(): void {
    if (this.workingSet.touched.length > 0 || this.work.effects.length > 0) this.version++;
    this.workingSet.commit();
    this.timers.commit();
    this.suppressor.commit();
    this.begin();
  }

  /** To be called after a committed state was set from outside. */
  trackOpen(series: Series): void {
    this.version++;
    this.workingSet.trackOpen(series);
    this.suppressor.restored();
  }

  /** The series with a committed state that is not plainly OK. */
  get open(): ReadonlySet<Series> {
    return this.workingSet.open;
  }

  /** The series that are not plainly OK, those of the working set included. */
  openNow(): Iterable<Series> {
    return this.workingSet.openNow();
  }

  /** The open series of one sensor. */
  openOf(sensorId: number): readonly Series[] {
    return this.map.ofSensor(sensorId).filter((series) => this.workingSet.isOpenNow(series));
  }

  /** True once the last events of a sensor were read from the database, or it was found to have none. */
  knows(sensorId: number): boolean {
    return this.known.has(sensorId);
  }

  register(sensor: SensorFacts): void {
    this.version++;
    this.known.add(sensor.id);
  }

  /** `stored`: by the transaction that writes the evaluation. */
  reading(reading: EngineReading, stored = true): void {
    this.elsewhere = !stored || reading.spooled === true;
    const slot = this.map.slotOf(reading.sensor);
    const { metrics } = reading;
    const available = metrics.get(AVAILABILITY);
    if (available !== undefined) return this.signals.availability(slot, available === 1, reading);
    if (reading.retained !== true) {
      const { gateway } = slot.sensor;
      if (typeof gateway === 'string') this.signals.gateway(gateway, reading.receivedAtMs);
      if (slot.own !== undefined) this.signals.message(slot, slot.own, reading.receivedAtMs);
    }
    let timeUs: Micros | undefined;
    for (const series of slot.named) {
      const value = metrics.get(series.metric);
      if (value === undefined) continue;
      timeUs ??= this.eventTime(reading);
      this.number(series, reading, timeUs, value);
    }
    if (!slot.rules.wildcard) return;
    for (const [metric, value] of metrics) {
      const series = this.map.otherSeries(slot, metric);
      if (series === undefined) continue;
      timeUs ??= this.eventTime(reading);
      this.number(series, reading, timeUs, value);
    }
  }

  /** When the passing of time may decide something; Infinity if nothing is due. */
  get nextDueMs(): Millis {
    return Math.min(this.timers.uncommittedMs, this.suppressor.dueMs);
  }

  /**
   * Applies what time decides, in due order, however late the call. Evaluates at most `limit` series: after an outage
   * all of them may be due at once, and one transaction must not hold them all. The rest stays due (`nextDueMs`).
   */
  tick(nowMs: Millis, limit = Infinity): void {
    const { workingSet, timers, suppressor } = this;
    for (let left = limit; left > 0; left--) {
      if (suppressor.dueMs <= Math.min(nowMs, timers.nextMs)) {
        left -= reevaluateOpen({ workingSet, timers, suppressor }, nowMs, left);
        continue;
      }
      const due = timers.take(nowMs);
      if (due === undefined) return;
      const [series, dueMs] = due;
      this.enter(series);
      // Deadlines move with each reading: mostly the timer is only re-armed.
      if (series.nextDueMs(timers.connectedMs) <= dueMs) this.catchUp.pass(series, dueMs, nowMs);
      this.arm(series);
    }
  }

  /** The broker is connected: silence counts from now. Not part of a working set. */
  connected(nowMs: Millis): void {
    this.version++;
    this.timers.connected(nowMs);
    for (const [, series] of this.allSeries()) if (series.isExpected) this.timers.expect(series);
  }

  /** The broker is disconnected: silence cannot be detected. */
  disconnected(): void {
    this.version++;
    this.timers.disconnected();
  }

  /**
   * The least time that numbers wait for earlier ones: several spools drain out of order. Not part of a working set:
   * the current one is discarded.
   */
  waitFor(ms: Millis): void {
    if (this.minimumWait.us === ms * 1000) return;
    this.version++;
    this.minimumWait.us = ms * 1000;
    this.begin();
    for (const [, series] of this.allSeries()) if (series.hasHeld) this.arm(this.enter(series));
    this.begin();
  }

  /** The connection state outlives the rules. */
  inheritConnection({ timers: { connectedMs } }: AlertEngine): void {
    if (connectedMs === undefined) this.disconnected();
    else this.connected(connectedMs);
  }

  /**
   * Sensors have another location, type or tags. False: that changes rules, or what alerts make of each other, and nothing was done;
   * the states have to move to a new engine. Not part of a working set: the current one is discarded.
   */
  replaceSensors(sensors: readonly SensorFacts[], nowMs: Millis): boolean {
    if (this.suppressor.relatesByLabels || !sensors.every((sensor) => this.map.keepsRules(sensor)))
      return false;
    this.version++;
    for (const sensor of sensors) this.map.replace(sensor);
    if (this.suppressor.suppressesByLabels) this.silence(this.silences, nowMs);
    this.begin();
    return true;
  }

  /**
   * When the series of another engine were last received, for those that were read from the database in its place. Of all
   * others silence counts from `nowMs`. Not part of a working set: the current one is discarded.
   */
  inheritReceived(former: AlertEngine, nowMs: Millis): void {
    this.version++;
    for (const [sensor, series] of this.allSeries()) {
      const before = former.map.find(sensor.id, series.metric);
      if (before?.wasReceived === true) series.inheritReceived(before);
      else series.expectedSinceMs = Math.max(series.expectedSinceMs, nowMs);
    }
    this.begin();
  }

  /**
   * Replaces all current and future silences. Also called at the start, after the states were restored. Not part of a
   * working set.
   */
  silence(silences: readonly Silence[], nowMs: Millis): void {
    this.version++;
    this.suppressor.silence(silences, nowMs, this.workingSet.anyOpen);
  }

  get silences(): readonly Silence[] {
    return this.suppressor.silences;
  }

  /**
   * A series whose silence is watched from now on, whether or not it was ever received. Under an existing connection
   * silence counts from `sinceMs`, unless it counts already. `received`: a reading of the sensor is stored.
   */
  expect(sensor: SensorFacts, metric: string, sinceMs?: Millis, received = false): void {
    const series = this.seriesOf(sensor, metric);
    if (series === undefined) return;
    if (metric === OF_SENSOR && series.rule.countsMessages !== true && this.map.isMissed(sensor)) return;
    if (sinceMs !== undefined && !series.expected) {
      if (metric === OF_SENSOR) series.expectedSinceMs = sinceMs;
      else series.restore({ receivedMs: sinceMs });
    }
    series.expected = true;
    series.unreceived = !received;
    this.timers.expect(series);
  }

  /** A sensor that carries the alert of a count: its series exists before any alert is counted. */
  attachCount(sensor: SensorFacts): void {
    if (!this.rules.isCount(sensor)) return;
    for (const { metric } of this.rules.rulesFor(sensor).named) this.seriesOf(sensor, metric);
  }

  /** The same for a sensor whose messages count and that is new to the engine: a gateway, say, that never sends anything itself. */
  expectNew(sensor: SensorFacts, sinceMs: Millis): void {
    if (!this.rules.rulesFor(sensor).countsMessages || this.seriesOf(sensor, OF_SENSOR)?.isExpected === true)
      return;
    this.expect(sensor, OF_SENSOR, sinceMs);
  }

  /**
   * Takes over the sensors that only another engine of the same rules, in which nothing was evaluated, knows: their
   * silence counts from now. Not part of a working set: the current one is discarded.
   */
  absorb(other: AlertEngine, nowMs: Millis): void {
    this.version++;
    for (const [, series] of other.allSeries()) {
      series.armedMs = Infinity;
      series.expectedSinceMs = Math.max(series.expectedSinceMs, nowMs);
      series.minimumWait = this.minimumWait;
    }
    this.map.absorb(other.map);
    for (const [, series] of other.allSeries()) this.link(series);
    for (const sensorId of other.known) this.known.add(sensorId);
    for (const [key, closed] of other.closed) this.closed.set(key, closed);
    for (const series of other.open) this.workingSet.trackOpen(series);
    this.suppressor.restored();
    this.begin();
    for (const [, series] of other.allSeries()) {
      if (series.isExpected) this.timers.expect(series);
      if (this.open.has(series) || series.hasHeld) this.arm(this.enter(series));
    }
    this.begin();
  }

  /** Removes these sensors. Not part of a working set: the current one is discarded. */
  forget(isForgotten: (sensorId: number) => boolean): void {
    this.version++;
    this.begin();
    // Timer entries whose owner is not armed are skipped.
    for (const [sensor, series] of this.allSeries()) if (isForgotten(sensor.id)) series.armedMs = Infinity;
    this.map.forget(isForgotten);
    this.suppressor.gateways.forget(isForgotten);
    this.counters.forget(isForgotten);
    this.workingSet.forget(isForgotten);
    for (const sensorId of this.known) if (isForgotten(sensorId)) this.known.delete(sensorId);
    for (const [key, { sensor }] of this.closed) if (isForgotten(sensor.id)) this.closed.delete(key);
    this.suppressor.restored();
    this.begin();
  }

  /** After a change of a series by other input than a reading. */
  arm(series: Series): void {
    this.timers.arm(series);
  }

  /** The series of a metric, made if the rules ask for it; undefined if they ask nothing. */
  seriesOf(sensor: SensorFacts, metric: string): Series | undefined {
    return this.map.seriesOf(sensor, metric);
  }

  allSeries(): Iterable<readonly [SensorFacts, Series]> {
    return this.map.all();
  }

  /** Enters a series into the working set before other input than a reading changes it. */
  enter(series: Series): Series {
    return this.workingSet.enter(series);
  }

  /** An operator's or the configuration's input to one alert instance. */
  apply(
    series: Series,
    instance: AlertInstance,
    input: Exclude<StepInput, { kind: 'reading' }>,
    nowMs: Millis,
  ): void {
    this.enter(series).apply(instance, input, nowMs, this.suppressor);
    this.arm(series);
  }

  /** (a) drops values that are not finite numbers; the series does the rest. */
  private number(series: Series, reading: EngineReading, timeUs: Micros, value: unknown): void {
    const { receivedAtMs } = reading;
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      this.counts.invalid++;
      return;
    }
    this.enter(series);
    if (isDue(series, receivedAtMs) || this.suppressor.dueMs <= receivedAtMs)
      this.catchUp.upTo(series, receivedAtMs);
    const outcome = series.receive(timeUs, value, receivedAtMs, this.suppressor);
    this.counts[outcome]++;
    if (outcome === 'held' && (this.elsewhere || timeUs !== reading.timeUs))
      this.unstored.push({ series, timeUs, value });
    if (series.waits) this.arm(series);
    else series.dueMs = NEVER;
  }

  /** (b) one clock that runs ahead must not make every later reading late. */
  private eventTime(reading: EngineReading): Micros {
    const nowUs = reading.receivedAtMs * 1000;
    if (reading.timeUs <= nowUs + this.rules.futureSkewUs) return reading.timeUs;
    this.counts.clamped++;
    return nowUs;
  }
}
