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
  /** The series of the sensor itself; created when it is missed. */
  own: Series | undefined;
}

/** The series of all sensors, each created on first use. */
export class SeriesIndex {
  private readonly rules: RuleSet;
  private readonly made: (series: Series) => void;
  private readonly slots = new Map<number, Slot>();
  /** New series copy their committed state from there. */
  private readonly former: SeriesIndex | undefined;

  constructor(rules: RuleSet, made: (series: Series) => void, former?: SeriesIndex) {
    this.rules = rules;
    this.made = made;
    this.former = former;
  }

  slotOf(sensor: SensorFacts): Slot {
    let slot = this.slots.get(sensor.id);
    if (slot === undefined) {
      const before = this.former?.slots.get(sensor.id);
      const rules = before?.rules ?? this.rules.rulesFor(sensor);
      const facts = before?.sensor ?? sensor;
      const named = rules.named.map((rule) => this.make(facts, rule));
      slot = { sensor: facts, rules, named, others: undefined, own: undefined };
      this.slots.set(sensor.id, slot);
      if (before?.own !== undefined) this.ownSeries(slot);
    }
    return slot;
  }

  /** The series of a metric that only `"*"` covers; undefined if it does not. */
  otherSeries(slot: Slot, metric: string): Series | undefined {
    if (!slot.rules.wildcard || slot.named.some((series) => series.metric === metric)) return undefined;
    let series = slot.others?.get(metric);
    if (series === undefined) {
      const rule = slot.rules.ruleOf(metric);
      if (rule === undefined) return undefined;
      series = this.make(slot.sensor, rule);
      series.owner = slot.own;
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
    const own = this.make(slot.sensor, away);
    slot.own = own;
    for (const series of [...slot.named, ...(slot.others?.values() ?? [])]) series.owner = own;
    return own;
  }

  private make(sensor: SensorFacts, rule: MetricRule): Series {
    const series = new Series(sensor, rule);
    const before = this.former?.find(sensor.id, rule.metric);
    if (before !== undefined) series.copy(before);
    this.made(series);
    return series;
  }

  private find(sensorId: number, metric: string): Series | undefined {
    const slot = this.slots.get(sensorId);
    if (metric === OF_SENSOR) return slot?.own;
    return slot?.named.find((series) => series.metric === metric) ?? slot?.others?.get(metric);
  }

  /** Takes over the series of unknown sensors. */
  absorb(other: SeriesIndex): void {
    for (const [sensorId, slot] of other.slots) this.slots.set(sensorId, slot);
  }

  forget(isForgotten: (sensorId: number) => boolean): void {
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
