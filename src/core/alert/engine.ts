import type { Micros, Millis } from '../reading.ts';
import { WILDCARD } from './effective.ts';
import type { SensorFacts } from './effective.ts';
import { OK } from './state.ts';
import type { RuleSet, SensorRules } from './rules.ts';
import { Series } from './series.ts';
import type { CellEffect } from './series.ts';

/** What happened to the numbers of a batch; every one is counted once. */
export interface EngineCounts {
  evaluated: number;
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

/** A sensor's series. `named` is in the order of the configuration; the others are those that only `"*"` covers. */
interface Slot {
  readonly sensor: SensorFacts;
  readonly rules: SensorRules;
  readonly named: readonly (readonly [string, Series])[];
  readonly others: Map<string, Series>;
}

/**
 * All series of a daemon, in memory. Deterministic and free of I/O: what it does follows from the readings and the
 * times it is given. `begin` opens a generation, the inputs work on copies, and `adopt` makes them the state; without
 * it the next `begin` starts from the same state again.
 */
export class Engine {
  readonly rules: RuleSet;
  private readonly slots = new Map<number, Slot>();
  private readonly known = new Set<number>();
  private readonly unsettled = new Set<Series>();
  private generation = 0;
  private touched: Series[] = [];
  private effects: CellEffect[] = [];
  private counts: EngineCounts = noCounts();

  constructor(rules: RuleSet) {
    this.rules = rules;
  }

  begin(): void {
    this.generation++;
    this.touched = [];
    this.effects = [];
    this.counts = noCounts();
  }

  /** What the generation did so far, in order, and the series that it touched. */
  get work(): {
    readonly effects: readonly CellEffect[];
    readonly touched: readonly Series[];
    readonly counts: EngineCounts;
  } {
    return { effects: this.effects, touched: this.touched, counts: this.counts };
  }

  adopt(): void {
    for (const series of this.touched) {
      series.adopt();
      this.settle(series);
    }
    this.begin();
  }

  /** Keeps the list of series that are not plainly OK: few, however many sensors there are. */
  settle(series: Series): void {
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
    const slot = this.slotOf(reading.sensor);
    const { metrics } = reading;
    let timeUs: Micros | undefined;
    for (const [metric, series] of slot.named) {
      const value = metrics.get(metric);
      if (value === undefined) continue;
      timeUs ??= this.eventTime(reading);
      this.number(series, timeUs, value);
    }
    if (!slot.rules.wildcard) return;
    for (const [metric, value] of metrics) {
      const series = this.otherSeries(slot, metric);
      if (series !== undefined) this.number(series, (timeUs ??= this.eventTime(reading)), value);
    }
  }

  /** What the passing of time decides: only series that are not plainly OK wait for anything. */
  tick(nowMs: Millis): void {
    for (const series of this.unsettled) this.enter(series).tick(nowMs, this.effects);
  }

  /** The series of a metric, made if the rules ask for it; undefined if they ask nothing. */
  seriesOf(sensor: SensorFacts, metric: string): Series | undefined {
    const slot = this.slotOf(sensor);
    return slot.named.find(([name]) => name === metric)?.[1] ?? this.otherSeries(slot, metric);
  }

  /** A series about to be changed by something else than a reading. */
  enter(series: Series): Series {
    if (series.enter(this.generation)) this.touched.push(series);
    return series;
  }

  get pending(): CellEffect[] {
    return this.effects;
  }

  *allSeries(): Iterable<readonly [SensorFacts, Series]> {
    for (const { sensor, named, others } of this.slots.values()) {
      for (const [, series] of named) yield [sensor, series];
      for (const series of others.values()) yield [sensor, series];
    }
  }

  /** (a) what is no finite number ends here; the rest is the series' own. */
  private number(series: Series, timeUs: Micros, value: unknown): void {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      this.counts.invalid++;
      return;
    }
    if (series.enter(this.generation)) this.touched.push(series);
    this.counts[series.reading(timeUs, value, this.effects)]++;
  }

  /** (b) one clock that runs ahead must not make every later reading late. */
  private eventTime(reading: EngineReading): Micros {
    const nowUs = reading.receivedAtMs * 1000;
    if (reading.timeUs <= nowUs + this.rules.futureSkewUs) return reading.timeUs;
    this.counts.clamped++;
    return nowUs;
  }

  private slotOf(sensor: SensorFacts): Slot {
    let slot = this.slots.get(sensor.id);
    if (slot === undefined) {
      const rules = this.rules.rulesFor(sensor);
      const named = rules.named.map((rule) => [rule.metric, new Series(sensor, rule)] as const);
      slot = { sensor, rules, named, others: NO_OTHERS };
      if (rules.wildcard) slot = { ...slot, others: new Map() };
      this.slots.set(sensor.id, slot);
    }
    return slot;
  }

  private otherSeries(slot: Slot, metric: string): Series | undefined {
    if (!slot.rules.wildcard || slot.named.some(([name]) => name === metric)) return undefined;
    let series = slot.others.get(metric);
    if (series === undefined) {
      const rule = slot.rules.ruleOf(metric);
      if (rule === undefined) return undefined;
      series = new Series(slot.sensor, rule);
      slot.others.set(metric, series);
    }
    return series;
  }
}

const NO_OTHERS: Map<string, Series> = new Map();

function noCounts(): EngineCounts {
  return { evaluated: 0, late: 0, duplicate: 0, invalid: 0, clamped: 0 };
}
