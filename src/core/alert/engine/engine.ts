import type { AlertKey } from '../model.ts';
import { AVAILABILITY, type Micros, type Millis } from '../../reading.ts';
import type { SensorFacts } from '../rules/effective.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import type { LastEvent, StepInput } from '../state/state.ts';
import type { Silence } from '../suppress/silence.ts';
import { Suppressor, reevaluateOpen, reevaluateSeries } from '../suppress/suppressor.ts';
import type { AlertInstance } from './alert-instance.ts';
import { OF_SENSOR } from './alert-key.ts';
import { SeriesIndex, type Slot } from './series-index.ts';
import { NEVER, type Patience } from './series-state.ts';
import { SeriesTimers } from './series-timers.ts';
import type { Series, InstanceEffect } from './series.ts';
import { type EngineCounts, WorkingSet, noCounts } from './working-set.ts';

/** A reading as the engine wants it. Values are unknown: the pipeline's first step sorts them. */
export interface EngineReading {
  readonly sensor: SensorFacts;
  readonly timeUs: Micros;
  readonly receivedAtMs: Millis;
  readonly metrics: ReadonlyMap<string, unknown>;
  /** The broker had kept it: it may be of a sensor that is gone. */
  readonly retained?: boolean | undefined;
  /** It is kept elsewhere: the transaction of its evaluation does not store it. */
  readonly spooled?: boolean | undefined;
}

/** What a generation did so far. */
export interface EngineWork {
  readonly effects: readonly InstanceEffect[];
  readonly touched: readonly Series[];
  readonly counts: EngineCounts;
  /** Numbers that began to wait, and that the database will not hold, or under another time. */
  readonly unstored: readonly { readonly series: Series; readonly timeUs: Micros; readonly value: number }[];
}

/** An alert without a rule, closed while its condition held. */
export interface ClosedAlert {
  readonly sensor: SensorFacts;
  readonly key: AlertKey;
  readonly closedUs: Micros;
}

/**
 * All series of a daemon, in memory. Deterministic and free of I/O: what it does follows from the readings and the
 * times it is given. `begin` opens a generation, the inputs work on copies, and `commit` makes them the state; without
 * it the next `begin` starts from the same state again.
 */
export class AlertEngine {
  readonly rules: RuleSet;
  /** What was closed together with its rule, by key: closed still if that comes back. */
  readonly closed = new Map<string, ClosedAlert>();
  /** Counts the changes of the committed state, and of what is known besides. */
  version = 0;
  private readonly map: SeriesIndex;
  private readonly suppressor: Suppressor;
  private readonly known = new Set<number>();
  private readonly workingSet = new WorkingSet();
  private readonly timers = new SeriesTimers();
  private readonly patience: Patience = { us: 0 };
  private counts: EngineCounts = noCounts();
  /** The reading in hand is stored elsewhere. */
  private elsewhere = false;
  private unstored: EngineWork['unstored'][number][] = [];

  /**
   * With `former` it starts from the committed state of that one and leaves it alone, its generation in hand included. A
   * series is taken over when it is first asked for: so it is of use until the version of the former is another.
   */
  constructor(rules: RuleSet, former?: AlertEngine) {
    this.rules = rules;
    this.suppressor = new Suppressor(rules.config);
    const made = (series: Series): void => {
      series.precedes = this.suppressor.isSource(series);
      series.patience = this.patience;
      if (former !== undefined) this.arm(this.enter(series));
    };
    this.map = new SeriesIndex(rules, made, former?.map);
    if (former === undefined) return;
    this.inheritConnection(former);
    this.suppressor.follow(former.suppressor, former.open);
  }

  begin(): void {
    this.workingSet.begin();
    this.timers.begin();
    this.suppressor.begin(this.workingSet.open);
    this.counts = noCounts();
    this.unstored = [];
  }

  /** What the generation did so far, in order, and the series that it touched. */
  get work(): EngineWork {
    const { effects } = this.suppressor;
    return { effects, touched: this.workingSet.touched, counts: this.counts, unstored: this.unstored };
  }

  /** The series of which numbers wait, with the generation in hand. */
  waiting(): readonly Series[] {
    const entered = new Set(this.workingSet.touched);
    for (const [, series] of this.map.all()) if (series.hasHeld) entered.add(this.enter(series));
    return [...entered].filter(({ held }) => held.length > 0);
  }

  commit(): void {
    this.version++;
    this.workingSet.commit();
    this.timers.commit();
    this.suppressor.commit();
    this.begin();
  }

  /** After a committed state was put in place from outside. */
  trackOpen(series: Series): void {
    this.version++;
    this.workingSet.trackOpen(series);
    this.suppressor.restored();
  }

  /** The series with a committed state that is not plainly OK. */
  get open(): ReadonlySet<Series> {
    return this.workingSet.open;
  }

  /** The series that are not plainly OK, those of the generation in hand included. */
  openNow(): Iterable<Series> {
    return this.workingSet.openNow();
  }

  /** Those of one sensor. */
  openOf(sensorId: number): readonly Series[] {
    return this.map.ofSensor(sensorId).filter((series) => this.workingSet.isOpenNow(series));
  }

  /** True once the last events of a sensor were fetched from the database, or it was found to have none. */
  knows(sensorId: number): boolean {
    return this.known.has(sensorId);
  }

  register(sensor: SensorFacts): void {
    this.version++;
    this.known.add(sensor.id);
  }

  /** `stored`: by the transaction that writes what is made of it. */
  reading(reading: EngineReading, stored = true): void {
    this.elsewhere = !stored || reading.spooled === true;
    const slot = this.map.slotOf(reading.sensor);
    const { metrics } = reading;
    const available = metrics.get(AVAILABILITY);
    if (available !== undefined) return this.availability(slot, available === 1, reading.receivedAtMs);
    if (slot.own !== undefined && reading.retained !== true)
      this.noteSignal(slot, slot.own, reading.receivedAtMs);
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

  /** When the passing of time may decide something; Infinity if nothing waits for it. */
  get nextDueMs(): Millis {
    return Math.min(this.timers.uncommittedMs, this.suppressor.dueMs);
  }

  /**
   * What the passing of time decides, in the order in which it was due, however late the look. At most `looks` series
   * are looked at: after an outage all of them may be due at once, and one transaction must not hold them all. What is
   * left is due still (`nextDueMs`).
   */
  tick(nowMs: Millis, looks = Infinity): void {
    const { workingSet, timers, suppressor } = this;
    for (let left = looks; left > 0; left--) {
      if (suppressor.dueMs <= Math.min(nowMs, timers.nextMs)) {
        left -= reevaluateOpen({ workingSet, timers, suppressor }, nowMs, left);
        continue;
      }
      const look = timers.take(nowMs);
      if (look === undefined) return;
      const [series, dueMs] = look;
      this.enter(series);
      // Deadlines move away with each reading: mostly there is nothing to do but to look again later.
      if (series.nextDueMs(timers.connectedMs) <= dueMs) this.pass(series, dueMs, nowMs);
      this.arm(series);
    }
  }

  /** The broker is there: silence counts from now. Not part of a generation. */
  connected(nowMs: Millis): void {
    this.version++;
    this.timers.connected(nowMs);
    for (const [, series] of this.allSeries()) if (series.isExpected) this.timers.expect(series);
  }

  /** The broker is away: nobody can tell whether sensors are silent. */
  disconnected(): void {
    this.version++;
    this.timers.disconnected();
  }

  /**
   * For how long numbers wait for earlier ones at least: what several spools held comes in an order of its own. Not part of a
   * generation: what is in hand is forgotten.
   */
  waitFor(ms: Millis): void {
    if (this.patience.us === ms * 1000) return;
    this.version++;
    this.patience.us = ms * 1000;
    this.begin();
    for (const [, series] of this.allSeries()) if (series.hasHeld) this.arm(this.enter(series));
    this.begin();
  }

  /** The connection outlives the rules. */
  inheritConnection({ timers: { connectedMs } }: AlertEngine): void {
    if (connectedMs === undefined) this.disconnected();
    else this.connected(connectedMs);
  }

  /**
   * All silences that there are and will be, from now on. Called at the start, too, after the states were restored. Not
   * part of a generation.
   */
  silence(silences: readonly Silence[], nowMs: Millis): void {
    this.version++;
    this.suppressor.silence(silences, nowMs, this.workingSet.anyOpen);
  }

  get silences(): readonly Silence[] {
    return this.suppressor.silences;
  }

  /**
   * A series whose silence is watched from now on, whether or not it was ever heard. Under an old connection silence
   * counts from `sinceMs`, where it did not count already.
   */
  expect(sensor: SensorFacts, metric: string, sinceMs?: Millis): void {
    const series = this.seriesOf(sensor, metric);
    if (series === undefined) return;
    if (metric === OF_SENSOR && this.map.isMissed(sensor)) return;
    if (sinceMs !== undefined && !series.expected) {
      if (metric === OF_SENSOR) series.expectedSinceMs = sinceMs;
      else series.restore({ receivedMs: sinceMs });
    }
    series.expected = true;
    this.timers.expect(series);
  }

  /**
   * Takes over all that another engine of the same rules, which nothing has evaluated in, knows of sensors that this one does
   * not: their silence counts from now. Not part of a generation: what is in hand is forgotten.
   */
  absorb(other: AlertEngine, nowMs: Millis): void {
    this.version++;
    for (const [, series] of other.allSeries()) {
      series.armedMs = Infinity;
      series.expectedSinceMs = Math.max(series.expectedSinceMs, nowMs);
      series.patience = this.patience;
    }
    this.map.absorb(other.map);
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

  /** Knows nothing any more of these sensors. Not part of a generation: what is in hand is forgotten. */
  forget(isForgotten: (sensorId: number) => boolean): void {
    this.version++;
    this.begin();
    // Entries of a timer whose owner is not armed are passed over.
    for (const [sensor, series] of this.allSeries()) if (isForgotten(sensor.id)) series.armedMs = Infinity;
    this.map.forget(isForgotten);
    this.workingSet.forget(isForgotten);
    for (const sensorId of this.known) if (isForgotten(sensorId)) this.known.delete(sensorId);
    for (const [key, { sensor }] of this.closed) if (isForgotten(sensor.id)) this.closed.delete(key);
    this.suppressor.restored();
    this.begin();
  }

  /** After a change of a series by something else than a reading. */
  arm(series: Series): void {
    this.timers.arm(series);
  }

  /** The newest stored value of a metric, read back after a start. */
  restoreLast(sensor: SensorFacts, metric: string, last: LastEvent): void {
    const series = this.seriesOf(sensor, metric);
    if (series === undefined) return;
    // Numbers that wait are stored, and not evaluated: with them the row knows better what was.
    if (series.hasHeld) series.expected = true;
    else series.restore({ last });
    // A deadline depends on how old the last reading is.
    if (this.open.has(series)) this.arm(this.enter(series));
  }

  /** The series of a metric, made if the rules ask for it; undefined if they ask nothing. */
  seriesOf(sensor: SensorFacts, metric: string): Series | undefined {
    return this.map.seriesOf(sensor, metric);
  }

  allSeries(): Iterable<readonly [SensorFacts, Series]> {
    return this.map.all();
  }

  /** A series about to be changed by something else than a reading. */
  enter(series: Series): Series {
    return this.workingSet.enter(series);
  }

  /** An operator's or the configuration's input to one cell. */
  apply(
    series: Series,
    instance: AlertInstance,
    input: Exclude<StepInput, { kind: 'reading' }>,
    nowMs: Millis,
  ): void {
    this.enter(series).apply(instance, input, nowMs, this.suppressor);
    this.arm(series);
  }

  /** What an availability, a last will or a death certificate says of a sensor. */
  private availability(slot: Slot, online: boolean, receivedAtMs: Millis): void {
    if (online) {
      // Nothing to say of a sensor that is not missed: only data shows that it measures.
      const { own } = slot;
      if (own !== undefined && (own.active > 0 || this.open.has(own)))
        this.noteSignal(slot, own, receivedAtMs);
      return;
    }
    const own = this.map.ownSeries(slot);
    if (own === undefined) return;
    this.enter(own);
    own.leave(receivedAtMs, this.suppressor);
    this.arm(own);
  }

  /** The first message of a sensor that was missed. */
  private noteSignal({ named, others }: Slot, own: Series, receivedAtMs: Millis): void {
    if (own.wasReceived && own.active === 0 && !this.open.has(own)) return;
    this.enter(own);
    if (own.armedMs <= receivedAtMs) this.catchUp(own, receivedAtMs);
    const wasSilent = own.silent;
    own.noteSignal(receivedAtMs, undefined, this.suppressor);
    if (!wasSilent) return;
    // While it was away nothing else was missed of it: the silence of its metrics counts from now.
    for (const series of [...named, ...(others?.values() ?? [])]) {
      if (!series.isExpected || series.silent) continue;
      this.enter(series);
      series.receivedMs = Math.max(series.receivedMs, receivedAtMs);
      this.arm(series);
    }
  }

  /** (a) what is no finite number ends here; the rest is the series' own. */
  private number(series: Series, reading: EngineReading, timeUs: Micros, value: unknown): void {
    const { receivedAtMs } = reading;
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      this.counts.invalid++;
      return;
    }
    this.enter(series);
    if (series.armedMs <= receivedAtMs && series.dueMs <= receivedAtMs) this.catchUp(series, receivedAtMs);
    if (this.suppressor.dueMs <= receivedAtMs) reevaluateSeries(series, this.suppressor, receivedAtMs);
    const outcome = series.receive(timeUs, value, receivedAtMs, this.suppressor);
    this.counts[outcome]++;
    if (outcome === 'held' && (this.elsewhere || timeUs !== reading.timeUs))
      this.unstored.push({ series, timeUs, value });
    if (series.waits) this.arm(series);
    else series.dueMs = NEVER;
  }

  /** The clock has passed what was due here before this number arrived: so a split into batches changes nothing. */
  private catchUp(series: Series, nowMs: Millis): void {
    for (;;) {
      const dueMs = series.nextDueMs(this.timers.connectedMs);
      if (dueMs > nowMs) return;
      this.pass(series, dueMs, nowMs);
    }
  }

  private pass(series: Series, dueMs: Millis, nowMs: Millis): void {
    series.tick(dueMs, nowMs, this.timers.connectedMs, this.suppressor);
  }

  /** (b) one clock that runs ahead must not make every later reading late. */
  private eventTime(reading: EngineReading): Micros {
    const nowUs = reading.receivedAtMs * 1000;
    if (reading.timeUs <= nowUs + this.rules.futureSkewUs) return reading.timeUs;
    this.counts.clamped++;
    return nowUs;
  }
}
