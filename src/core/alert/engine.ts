import type { Micros, Millis } from '../reading.ts';
import { WILDCARD } from './effective.ts';
import type { SensorFacts } from './effective.ts';
import { OK } from './state.ts';
import type { LastEvent, StepInput } from './state.ts';
import type { Cell, CellEffect } from './cell.ts';
import type { RuleSet } from './rules.ts';
import { SeriesMap } from './series-map.ts';
import type { Series } from './series.ts';
import { Suppressing } from './suppressing.ts';
import type { Silence } from './suppress/silence.ts';
import { isAhead, Timers } from './timers.ts';

/** What happened to the numbers of a batch; every one is counted once. */
export interface EngineCounts {
  evaluated: number;
  /** Waiting for earlier ones (`allowed_lateness`); evaluated later, without being counted again. */
  held: number;
  late: number;
  duplicate: number;
  /** Not finite numbers. */
  invalid: number;
  /** Readings of the future, evaluated at the time they arrived. */
  clamped: number;
}

/** A reading as the engine wants it. Values are unknown: the pipeline's first step sorts them. */
export interface EngineReading {
  readonly sensor: SensorFacts;
  readonly timeUs: Micros;
  readonly receivedAtMs: Millis;
  readonly metrics: ReadonlyMap<string, unknown>;
}

/**
 * All series of a daemon, in memory. Deterministic and free of I/O: what it does follows from the readings and the
 * times it is given. `begin` opens a generation, the inputs work on copies, and `adopt` makes them the state; without
 * it the next `begin` starts from the same state again.
 */
export class Engine {
  readonly rules: RuleSet;
  private readonly map: SeriesMap;
  private readonly suppressing: Suppressing;
  private readonly known = new Set<number>();
  private readonly unsettled = new Set<Series>();
  private generation = 0;
  private touched: Series[] = [];
  private counts: EngineCounts = noCounts();
  private readonly timers = new Timers<Series>();
  /** Series that were taken from the timers in this generation, and when they were due. */
  private looked: (readonly [Series, Millis])[] = [];
  /** Since when the broker is connected; undefined while it is away. */
  private connectedMs: Millis | undefined;

  constructor(rules: RuleSet) {
    this.rules = rules;
    this.suppressing = new Suppressing(rules.config);
    this.map = new SeriesMap(rules, (series) => {
      series.precedes = this.suppressing.isSource(series);
    });
  }

  begin(): void {
    this.generation++;
    // A generation that was not adopted: who was looked at has to be looked at again.
    for (const [series, dueMs] of this.looked) this.timers.arm(series, dueMs);
    this.looked = [];
    this.touched = [];
    this.suppressing.begin(this.unsettled);
    this.counts = noCounts();
  }

  /** What the generation did so far, in order, and the series that it touched. */
  get work(): {
    readonly effects: readonly CellEffect[];
    readonly touched: readonly Series[];
    readonly counts: EngineCounts;
  } {
    return { effects: this.suppressing.effects, touched: this.touched, counts: this.counts };
  }

  adopt(): void {
    for (const series of this.touched) {
      series.adopt();
      this.list(series);
    }
    this.looked = [];
    this.suppressing.adopt();
    this.begin();
  }

  /** After a committed state was put in place from outside. */
  settle(series: Series): void {
    this.list(series);
    this.suppressing.restored();
  }

  /** Keeps the list of series that are not plainly OK: few, however many sensors there are. */
  private list(series: Series): void {
    if (series.cells.some((cell) => cell.committed !== OK)) this.unsettled.add(series);
    else this.unsettled.delete(series);
  }

  /** The series with a committed state that is not plainly OK. */
  get open(): ReadonlySet<Series> {
    return this.unsettled;
  }

  /** True once the last events of a sensor were fetched from the database, or it was found to have none. */
  knows(sensorId: number): boolean {
    return this.known.has(sensorId);
  }

  register(sensor: SensorFacts): void {
    this.known.add(sensor.id);
  }

  /** How far back a sensor's readings matter; undefined when nothing is asked of it. */
  longestStaleUs(sensor: SensorFacts): Micros | undefined {
    const compiled = this.rules.rulesFor(sensor);
    const rules = compiled.wildcard ? [...compiled.named, compiled.ruleOf(WILDCARD)] : compiled.named;
    return rules.reduce<Micros | undefined>(
      (longest, rule) => Math.max(longest ?? 0, rule?.staleAfterUs ?? 0),
      undefined,
    );
  }

  reading(reading: EngineReading): void {
    const slot = this.map.slotOf(reading.sensor);
    const { metrics } = reading;
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
      if (series !== undefined) this.number(series, reading, (timeUs ??= this.eventTime(reading)), value);
    }
  }

  /** When the passing of time may decide something; Infinity if nothing waits for it. */
  get nextDueMs(): Millis {
    // What was looked at and not adopted is due still: the next generation looks again.
    const ownMs = Math.min(this.timers.nextMs, this.suppressing.dueMs);
    return this.looked.reduce((least, [, dueMs]) => Math.min(least, dueMs), ownMs);
  }

  /**
   * What the passing of time decides, in the order in which it was due, however late the look. At most `looks` series
   * are looked at: after an outage all of them may be due at once, and one transaction must not hold them all. What is
   * left is due still (`nextDueMs`).
   */
  tick(nowMs: Millis, looks = Infinity): void {
    for (let left = looks; left > 0; left--) {
      const dueMs = this.timers.nextMs;
      if (this.suppressing.dueMs <= Math.min(nowMs, dueMs)) {
        left -= this.review(nowMs, left);
        continue;
      }
      const series = this.timers.take(nowMs);
      if (series === undefined) return;
      this.looked.push([series, dueMs]);
      this.enter(series);
      // Deadlines move away with each reading: mostly there is nothing to do but to look again later.
      if (series.nextDueMs(this.connectedMs) <= dueMs)
        series.tick(dueMs, nowMs, this.connectedMs, this.suppressing);
      this.arm(series);
    }
  }

  /** The broker is there: silence counts from now. Not part of a generation. */
  connected(nowMs: Millis): void {
    this.connectedMs = nowMs;
    for (const [, series] of this.allSeries())
      if (series.rule.noDataAfterMs !== undefined) this.timers.arm(series, nowMs + series.rule.noDataAfterMs);
  }

  /** The broker is away: nobody can tell whether sensors are silent. */
  disconnected(): void {
    this.connectedMs = undefined;
  }

  /**
   * All silences that there are and will be, from now on. Called at the start, too, after the states were restored. Not
   * part of a generation.
   */
  silence(silences: readonly Silence[], nowMs: Millis): void {
    this.suppressing.silence(silences, nowMs, this.unsettled.size + this.touched.length > 0);
  }

  get silences(): readonly Silence[] {
    return this.suppressing.silences;
  }

  /** The metrics of a sensor, by name, whose silence means something. */
  watchedForSilence(sensor: SensorFacts): readonly string[] {
    const { named } = this.rules.rulesFor(sensor);
    return named.filter((rule) => rule.noDataAfterMs !== undefined).map((rule) => rule.metric);
  }

  /** A series whose silence is watched from now on, whether or not it was ever heard. */
  expect(sensor: SensorFacts, metric: string): void {
    const series = this.seriesOf(sensor, metric);
    if (series === undefined) return;
    series.expected = true;
    if (series.rule.noDataAfterMs !== undefined && this.connectedMs !== undefined)
      this.timers.arm(series, this.connectedMs + series.rule.noDataAfterMs);
  }

  /** After a change of a series by something else than a reading. */
  arm(series: Series): void {
    const dueMs = series.nextDueMs(this.connectedMs);
    if (dueMs < Infinity) this.timers.arm(series, dueMs);
  }

  /** The newest stored value of a metric, read back after a start. */
  restoreLast(sensor: SensorFacts, metric: string, last: LastEvent): void {
    const series = this.seriesOf(sensor, metric);
    if (series === undefined) return;
    // Numbers that wait are stored, and not evaluated: with them the row knows better what was.
    if (series.hasHeld) series.expected = true;
    else series.restore({ last });
    // A deadline depends on how old the last reading is.
    if (this.unsettled.has(series)) this.arm(this.enter(series));
  }

  /** The connection outlives the rules. */
  inheritConnection(former: Engine): void {
    if (former.connectedMs === undefined) this.disconnected();
    else this.connected(former.connectedMs);
  }

  /** The series of a metric, made if the rules ask for it; undefined if they ask nothing. */
  seriesOf(sensor: SensorFacts, metric: string): Series | undefined {
    return this.map.seriesOf(sensor, metric);
  }

  /** A series about to be changed by something else than a reading. */
  enter(series: Series): Series {
    if (series.enter(this.generation)) this.touched.push(series);
    return series;
  }

  /** An operator's or the configuration's input to one cell. */
  apply(series: Series, cell: Cell, input: Exclude<StepInput, { kind: 'reading' }>, nowMs: Millis): void {
    this.enter(series).apply(cell, input, nowMs, this.suppressing);
    this.arm(series);
  }

  allSeries(): Iterable<readonly [SensorFacts, Series]> {
    return this.map.all();
  }

  /** The series that are not plainly OK, those of the generation in hand included. */
  *openNow(): Iterable<Series> {
    yield* this.unsettled;
    for (const series of this.touched) if (!this.unsettled.has(series)) yield series;
  }

  /**
   * What suppresses alerts has changed: defers or tells what is open. `limit` series at most; true to the order of their
   * deadlines, so that a run can be repeated. Returns how many there were; what is left is due still.
   */
  private review(nowMs: Millis, limit: number): number {
    const { dueMs } = this.suppressing;
    const concerned: Series[] = [];
    for (const series of this.openNow()) {
      if (concerned.length >= limit) break;
      if (this.isConcerned(series, dueMs)) concerned.push(series);
    }
    concerned.sort((a, b) => (isAhead(a, b) ? -1 : 1));
    for (const series of concerned) {
      this.reviewOne(this.enter(series), nowMs);
      this.arm(series);
      // To the end of the list: the next slice must not begin with those that are done.
      if (this.unsettled.delete(series)) this.unsettled.add(series);
    }
    if (concerned.length < limit) this.suppressing.reviewed();
    return concerned.length;
  }

  private reviewOne(series: Series, nowMs: Millis): void {
    const { dueMs: lookMs, changedMs: dueMs } = this.suppressing;
    series.review(lookMs, { dueMs, nowMs }, this.suppressing);
  }

  private isConcerned(series: Series, atMs: Millis): boolean {
    return series.cells.some((cell) => {
      const state = series.stateIn(this.generation, cell);
      if (!('episode' in state)) return false;
      const { severity, deferredBy } = state.episode;
      return this.suppressing.suppressedBy(series, cell, severity, atMs) !== deferredBy;
    });
  }

  /** (a) what is no finite number ends here; the rest is the series' own. */
  private number(series: Series, { receivedAtMs }: EngineReading, timeUs: Micros, value: unknown): void {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      this.counts.invalid++;
      return;
    }
    this.enter(series);
    if (series.armedMs <= receivedAtMs) this.catchUp(series, receivedAtMs);
    if (this.suppressing.dueMs <= receivedAtMs) this.reviewOne(series, receivedAtMs);
    this.counts[series.receive(timeUs, value, receivedAtMs, this.suppressing)]++;
    if (series.waits) this.arm(series);
  }

  /** The clock has passed what was due here before this number arrived: so a split into batches changes nothing. */
  private catchUp(series: Series, nowMs: Millis): void {
    for (;;) {
      const dueMs = series.nextDueMs(this.connectedMs);
      if (dueMs > nowMs) return;
      series.tick(dueMs, nowMs, this.connectedMs, this.suppressing);
    }
  }

  /** (b) one clock that runs ahead must not make every later reading late. */
  private eventTime(reading: EngineReading): Micros {
    const nowUs = reading.receivedAtMs * 1000;
    if (reading.timeUs <= nowUs + this.rules.futureSkewUs) return reading.timeUs;
    this.counts.clamped++;
    return nowUs;
  }
}

function noCounts(): EngineCounts {
  return { evaluated: 0, held: 0, late: 0, duplicate: 0, invalid: 0, clamped: 0 };
}
