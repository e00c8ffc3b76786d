import type { Millis } from '../../reading.ts';
import type { Severity } from '../model.ts';
import type { CountConfig } from '../rules/config.ts';
import { type AlertLabels, matches } from '../suppress/matcher.ts';
import type { EffectSink, Series } from './series.ts';

/** One rule of `counts`. */
interface Counter {
  readonly rule: CountConfig;
  /** The series of its alert, once its sensor is known. */
  series: Series | undefined;
  open: number;
}

/** A change of an alert, as counters see it: the severity at which it was open, and is. */
export interface CountedChange {
  readonly was: Severity | undefined;
  readonly is: Severity | undefined;
  readonly labels: (severity: Severity) => AlertLabels;
}

/** How many alerts are open at once, for each rule of `counts`. Alerts of counts are not counted. */
export class Counters {
  private readonly counters: readonly Counter[];
  private readonly enter: (series: Series) => void;
  private readonly arm: (series: Series) => void;

  constructor(
    rules: readonly CountConfig[],
    deps: { readonly enter: (series: Series) => void; readonly arm: (series: Series) => void },
  ) {
    this.counters = rules.map((rule) => ({ rule, series: undefined, open: 0 }));
    this.enter = deps.enter;
    this.arm = deps.arm;
  }

  get exists(): boolean {
    return this.counters.length > 0;
  }

  attach(series: Series): void {
    for (const counter of this.counters) if (counter.rule.name === series.metric) counter.series = series;
  }

  forget(isForgotten: (sensorId: number) => boolean): void {
    for (const counter of this.counters)
      if (counter.series !== undefined && isForgotten(counter.series.sensorId)) counter.series = undefined;
  }

  clear(): void {
    for (const counter of this.counters) counter.open = 0;
  }

  /** Counts a change, and evaluates the counts that it changes; without a time it only counts. */
  moved(change: CountedChange, atMs: Millis | undefined, out: EffectSink): void {
    for (const counter of this.counters) {
      const before = isCounted(counter, change, change.was);
      const after = isCounted(counter, change, change.is);
      if (before === after) continue;
      counter.open += after ? 1 : -1;
      const { series } = counter;
      if (atMs === undefined || series === undefined) continue;
      this.enter(series);
      series.count(counter.open, atMs, out);
      this.arm(series);
    }
  }
}

const isCounted = ({ rule }: Counter, { labels }: CountedChange, severity: Severity | undefined): boolean =>
  severity !== undefined && matches(rule.of, labels(severity));
