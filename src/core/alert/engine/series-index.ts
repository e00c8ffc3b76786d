import type { MetricRule } from '../rules/compile.ts';
import type { SensorFacts } from '../rules/effective.ts';
import type { RuleSet, SensorRules } from '../rules/rule-set.ts';
import { OK } from '../state/state.ts';
import { OF_SENSOR } from './alert-key.ts';
import { Series } from './series.ts';

/** A sensor's series. `named` is in the order of the configuration; the others are covered only by `"*"`. */
export interface Slot {
  readonly sensor: SensorFacts;
  readonly rules: SensorRules;
  readonly named: readonly Series[];
  /** By metric; created with the first. */
  others: Map<string, Series> | undefined;
  /** The series of the sensor itself; created with the others where each message counts, else when it is missed. */
  own: Series | undefined;
  /** An alert of a named metric may inhibit others. */
  readonly precedes: boolean;
}

/** Callbacks of the index into the engine. */
export interface SeriesHooks {
  /** It may inhibit other alerts. */
  isSource(series: Series): boolean;
  made(series: Series): void;
}

/**
 * Order of the metrics of one message: what a difference subtracts comes first; where numbers wait for earlier ones last, since
 * what waits of it has the value of any moment.
 */
function comparedFirst(one: Series, other: Series): number {
  const order = Number(compares(one)) - Number(compares(other));
  return one.rule.allowedLatenessUs > 0 ? -order : order;
}
const compares = ({ instances }: Series): boolean =>
  instances.some(({ condition }) => condition.minus !== undefined);

/** The series of all sensors, each created on first use. */
export class SeriesIndex {
  private readonly rules: RuleSet;
  private readonly hooks: SeriesHooks;
  private readonly slots = new Map<number, Slot>();
  /** Built when a sensor is first looked up by its key. */
  private byKey: Map<string, Slot> | undefined;
  /** New series copy their committed state from there. */
  private readonly former: SeriesIndex | undefined;

  constructor(rules: RuleSet, hooks: SeriesHooks, former?: SeriesIndex) {
    this.rules = rules;
    this.hooks = hooks;
    this.former = former;
  }

  slotOf(sensor: SensorFacts): Slot {
    let slot = this.slots.get(sensor.id);
    if (slot === undefined) {
      const before = this.former?.slots.get(sensor.id);
      const rules = before?.rules ?? this.rules.rulesFor(sensor);
      const facts = before?.sensor ?? sensor;
      const named = rules.named.map((rule) => this.create(facts, rule)).sort(comparedFirst);
      const precedes = named.some((series) => this.hooks.isSource(series));
      slot = { sensor: facts, rules, named, others: undefined, own: undefined, precedes };
      this.slots.set(sensor.id, slot);
      this.byKey?.set(facts.key, slot);
      if (before?.own !== undefined || rules.countsMessages) this.ownSeries(slot);
      for (const series of named) {
        series.owner = slot.own;
        series.isCompared = rules.compared.has(series.metric);
        this.ranked(series, precedes);
      }
    }
    return slot;
  }

  /** Whether the same rules apply to the sensor as it is now. */
  keepsRules(sensor: SensorFacts): boolean {
    const slot = this.slots.get(sensor.id);
    if (slot === undefined) return true;
    const { key, gateway = null } = slot.sensor;
    const isSame = sensor.key === key && (sensor.gateway ?? null) === gateway;
    return isSame && this.rules.rulesFor(sensor) === slot.rules;
  }

  /** The sensor as it is now, under the same rules. */
  replace(sensor: SensorFacts): void {
    const slot = this.slots.get(sensor.id);
    if (slot === undefined) return;
    const replaced = { ...slot, sensor };
    this.slots.set(sensor.id, replaced);
    this.byKey?.set(sensor.key, replaced);
    for (const series of this.ofSensor(sensor.id)) series.sensor = sensor;
  }

  /** By the key of the sensor. */
  slotNamed(key: string): Slot | undefined {
    this.byKey ??= new Map([...this.slots.values()].map((slot) => [slot.sensor.key, slot]));
    const found = this.byKey.get(key);
    if (found !== undefined) return found;
    const before = this.former?.slotNamed(key);
    return before === undefined ? undefined : this.slotOf(before.sensor);
  }

  /** The series of a metric that only `"*"` covers; undefined if it does not. */
  otherSeries(slot: Slot, metric: string): Series | undefined {
    if (!slot.rules.wildcard || slot.named.some((series) => series.metric === metric)) return undefined;
    let series = slot.others?.get(metric);
    if (series === undefined) {
      const rule = slot.rules.ruleOf(metric);
      if (rule === undefined) return undefined;
      series = this.create(slot.sensor, rule);
      series.owner = slot.own;
      this.ranked(series, slot.precedes);
      slot.others ??= new Map();
      slot.others.set(metric, series);
    }
    return series;
  }

  /** The series of a metric, created if a rule covers it; undefined otherwise. */
  seriesOf(sensor: SensorFacts, metric: string): Series | undefined {
    const slot = this.slotOf(sensor);
    if (metric === OF_SENSOR) return this.ownSeries(slot);
    return slot.named.find((series) => series.metric === metric) ?? this.otherSeries(slot, metric);
  }

  /** Whether a metric of the sensor is missed already, or was and is closed: then nothing else of it is missed. */
  isMissed(sensor: SensorFacts): boolean {
    const { named, others } = this.slotOf(sensor);
    return [...named, ...(others?.values() ?? [])].some(
      ({ noData }) => noData !== undefined && noData.committed !== OK,
    );
  }

  ownSeries(slot: Slot): Series | undefined {
    const { away } = slot.rules;
    if (away === undefined || slot.own !== undefined) return slot.own;
    const own = this.create(slot.sensor, away);
    slot.own = own;
    this.ranked(own, slot.precedes);
    for (const series of [...slot.named, ...(slot.others?.values() ?? [])]) series.owner = own;
    return own;
  }

  private create(sensor: SensorFacts, rule: MetricRule): Series {
    const series = new Series(sensor, rule);
    const before = this.former?.find(sensor.id, rule.metric);
    if (before !== undefined) series.copy(before);
    return series;
  }

  /**
   * Order of deadlines of one moment: sensors that may inhibit others first; a sensor itself before its metrics, which are not
   * missed while it is; what inhibits before what does not; and a difference before what it subtracts.
   */
  private ranked(series: Series, precedes: boolean): void {
    const isSource = this.hooks.isSource(series);
    const isOwn = series.metric === OF_SENSOR;
    series.rank =
      (precedes || (isOwn && isSource) ? 0 : 8) +
      (isOwn ? 0 : 4) +
      (isSource ? 0 : 2) +
      (compares(series) ? 0 : 1);
    this.hooks.made(series);
  }

  find(sensorId: number, metric: string): Series | undefined {
    const slot = this.slots.get(sensorId);
    if (metric === OF_SENSOR) return slot?.own;
    return slot?.named.find((series) => series.metric === metric) ?? slot?.others?.get(metric);
  }

  /** Takes over the series of unknown sensors. */
  absorb(other: SeriesIndex): void {
    this.byKey = undefined;
    for (const [sensorId, slot] of other.slots) this.slots.set(sensorId, slot);
  }

  forget(isForgotten: (sensorId: number) => boolean): void {
    this.byKey = undefined;
    for (const sensorId of this.slots.keys()) if (isForgotten(sensorId)) this.slots.delete(sensorId);
  }

  ofSensor(sensorId: number): readonly Series[] {
    const slot = this.slots.get(sensorId);
    if (slot === undefined) return [];
    const { own, named, others } = slot;
    return [...(own === undefined ? [] : [own]), ...named, ...(others?.values() ?? [])];
  }

  *all(): Iterable<readonly [SensorFacts, Series]> {
    for (const [sensorId, { sensor }] of this.slots)
      for (const series of this.ofSensor(sensorId)) yield [sensor, series];
  }
}
