import type { Micros, Millis } from '../../reading.ts';

/** Fields of a rule, as the configuration names them; durations in milliseconds. */
export interface SuggestedRule {
  readonly min?: number;
  readonly max?: number;
  readonly hysteresis: number;
  readonly for?: Millis;
  readonly stale_after?: Millis;
}

export type Suggestion =
  | { readonly figures: MetricSummary; readonly rule: SuggestedRule }
  | { readonly figures: MetricSummary; readonly none: string };

/** Fewer values do not show what is usual. */
const ENOUGH = 100;

/** Metrics for which a high value is harmless: a full battery, a strong signal. */
const LOW_ONLY: ReadonlySet<string> = new Set(['battery', 'rssi']);
const PERCENT: ReadonlySet<string> = new Set(['battery', 'humidity']);

const MINUTE_MS = 60_000;
/** The gap that the defaults of the configuration assume. */
const STALE_AFTER_MS = 10 * MINUTE_MS;

/**
 * Limits around the usual range: the quantiles, one hysteresis further out. An alert thus ends where 99.9 % of all
 * values were. The hysteresis is wider than the noise, so that an alert does not come and go with it. `for` lasts at
 * least two readings, so that a single spike fires nothing.
 */
export function suggest(figures: MetricSummary): Suggestion {
  const { metric, values, low, high, least, most, noise } = figures;
  if (values < ENOUGH) return { figures, none: `${values} values are too few, ${ENOUGH} are needed` };
  if (least === most) return { figures, none: `it is always ${least}` };
  const hysteresis = roundUp(Math.max(3 * noise, 0.02 * (high - low), 0.002 * (most - least)));
  const unit = unitOf(hysteresis);
  const max = clean(Math.ceil((high + hysteresis) / unit - EPSILON) * unit, unit);
  const min = clean(Math.floor((low - hysteresis) / unit + EPSILON) * unit, unit);
  const percent = PERCENT.has(metric);
  const rule = {
    // Omits a limit that no percentage can cross.
    ...(percent && min < 0 ? {} : { min }),
    ...(LOW_ONLY.has(metric) || (percent && max >= 100) ? {} : { max }),
    hysteresis,
    ...delays(figures),
  };
  if (rule.min === undefined && rule.max === undefined) return { figures, none: 'all of its range is usual' };
  return { figures, rule };
}

function delays({ intervalS }: MetricSummary): { for?: Millis; stale_after?: Millis } {
  if (!(intervalS > 0)) return {};
  const intervalMs = intervalS * 1000;
  const staleMs = nice(3 * intervalMs);
  return {
    for: nice(1.5 * intervalMs),
    // A sensor that sends this rarely would always come after a gap, and `for` would restart each time.
    ...(staleMs > STALE_AFTER_MS ? { stale_after: staleMs } : {}),
  };
}

const NICE_S = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400];

/** The shortest round duration that is at least this long. */
export function nice(ms: Millis): Millis {
  const seconds = NICE_S.find((each) => each * 1000 >= ms) ?? Math.ceil(ms / 86_400_000) * 86_400;
  return seconds * 1000;
}

/** Rounding error of binary fractions. */
const EPSILON = 1e-9;

const unitOf = (value: number): number => 10 ** Math.floor(Math.log10(value) + EPSILON);

/** To 1, 2 or 5 times a power of ten. */
function roundUp(value: number): number {
  const unit = unitOf(value);
  const factor = [1, 2, 5, 10].find((each) => each * unit >= value * (1 - EPSILON)) ?? 10;
  return clean(factor * unit, unit);
}

/** 0.30000000000000004 is 0.3. */
function clean(value: number, unit: number): number {
  const digits = Math.max(0, -Math.floor(Math.log10(unit) + EPSILON));
  return Number(value.toFixed(Math.min(digits, 20)));
}

/** Statistics of the stored values of a metric: range, noise and interval. */
export interface MetricSummary {
  readonly metric: string;
  readonly sensors: number;
  readonly values: number;
  /** 0.1 % of the values lie below `low`, and 0.1 % above `high`. */
  readonly low: number;
  readonly high: number;
  readonly least: number;
  readonly most: number;
  /** Standard deviation of the noise between consecutive values: steps and drifts do not count. */
  readonly noise: number;
  /** The usual time between two values of a sensor, in seconds. */
  readonly intervalS: number;
}

const QUANTILE = 0.001;
/** 0.1 % of this many is 50 values: the quantile is steady, and memory bounded. */
const SAMPLE = 50_000;

/** Converts the median of |difference| to the standard deviation of one value, for normal noise. */
const NOISE_FACTOR = 1.4826 / Math.SQRT2;

/** One pass over the values of one metric, in time order. */
export class MetricSample {
  private readonly metric: string;
  private readonly values: Reservoir;
  private readonly steps: Reservoir;
  private readonly gaps: Reservoir;
  private readonly last = new Map<number, { timeUs: Micros; value: number }>();
  private least = Infinity;
  private most = -Infinity;

  /** `random` returns 0 (included) to 1 (excluded). */
  constructor(metric: string, random: () => number) {
    this.metric = metric;
    this.values = new Reservoir(random);
    this.steps = new Reservoir(random);
    this.gaps = new Reservoir(random);
  }

  add(sensorId: number, timeUs: Micros, value: number): void {
    if (!Number.isFinite(value)) return;
    this.values.add(value);
    this.least = Math.min(this.least, value);
    this.most = Math.max(this.most, value);
    const last = this.last.get(sensorId);
    if (last === undefined) {
      this.last.set(sensorId, { timeUs, value });
      return;
    }
    this.steps.add(Math.abs(value - last.value));
    this.gaps.add((timeUs - last.timeUs) / 1e6);
    last.timeUs = timeUs;
    last.value = value;
  }

  figures(): MetricSummary {
    return {
      metric: this.metric,
      sensors: this.last.size,
      values: this.values.seen,
      low: this.values.quantile(QUANTILE),
      high: this.values.quantile(1 - QUANTILE),
      least: this.least,
      most: this.most,
      noise: this.steps.quantile(0.5) * NOISE_FACTOR,
      intervalS: this.gaps.quantile(0.5),
    };
  }
}

/** The metric that is subtracted from another: of the same sensor, or of another one. */
export interface DifferenceOf {
  readonly metric: string;
  readonly minus: string;
  /** Undefined: the same one. */
  readonly partnerId: number | undefined;
  /** A value that is older does not count. */
  readonly staleUs: Micros;
}

/** One pass over readings in time order: the differences that the engine would evaluate. */
export class DifferenceSample {
  private readonly of: DifferenceOf;
  private readonly sample: MetricSample;
  private readonly last = new Map<number, { timeUs: Micros; value: number }>();

  constructor(of: DifferenceOf, random: () => number) {
    this.of = of;
    this.sample = new MetricSample(`${of.metric} minus ${of.minus}`, random);
  }

  /** `isMeasured`: its metric is the one that something is subtracted from; else it only is what is subtracted. */
  add(sensorId: number, timeUs: Micros, metrics: ReadonlyMap<string, number>, isMeasured: boolean): void {
    const { metric, minus, partnerId, staleUs } = this.of;
    const subtracted = metrics.get(minus);
    // If one reading has both, both values count.
    if (subtracted !== undefined && Number.isFinite(subtracted))
      this.last.set(sensorId, { timeUs, value: subtracted });
    const value = metrics.get(metric);
    // To itself it is no difference.
    if (sensorId === partnerId) return;
    const partner = this.last.get(partnerId ?? sensorId);
    if (!isMeasured || value === undefined || partner === undefined || timeUs - partner.timeUs > staleUs)
      return;
    this.sample.add(sensorId, timeUs, value - partner.value);
  }

  figures(): MetricSummary {
    return this.sample.figures();
  }
}

/** How often a number of alerts was open at once. */
export interface OpenAtOnce {
  readonly atLeast: number;
  readonly episodes: number;
  readonly openS: number;
  readonly longestS: number;
}

/** Open for a larger share of the time it is no exception. */
const SHARE_OF_EXCEPTIONS = 0.001;

/**
 * The least number of alerts, two or more, that is open at once for a thousandth of the time at most. `counts` has the numbers from 1 on
 * in their order.
 */
export function suggestAtLeast(
  counts: readonly OpenAtOnce[],
  rangeS: number,
): { readonly atLeast: number } | { readonly none: string } {
  if ((counts[0]?.episodes ?? 0) === 0) return { none: 'no alert that matches was open' };
  const rare = counts.find(({ atLeast, openS }) => atLeast >= 2 && openS <= SHARE_OF_EXCEPTIONS * rangeS);
  return rare === undefined
    ? {
        none: `${counts.at(-1)?.atLeast ?? 0} are open at once for more than ${SHARE_OF_EXCEPTIONS * 100} % of the time`,
      }
    : { atLeast: rare.atLeast };
}

/** A uniform sample (Vitter's algorithm R). */
class Reservoir {
  seen = 0;
  private readonly sample: number[] = [];
  private readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  add(value: number): void {
    this.seen++;
    if (this.sample.length < SAMPLE) {
      this.sample.push(value);
      return;
    }
    const at = Math.floor(this.random() * this.seen);
    if (at < SAMPLE) this.sample[at] = value;
  }

  /** Interpolates between the two nearest values; NaN if there are none. */
  quantile(share: number): number {
    const sorted = Float64Array.from(this.sample).sort();
    const rank = share * (sorted.length - 1);
    const below = sorted[Math.floor(rank)] ?? NaN;
    const above = sorted[Math.ceil(rank)] ?? NaN;
    return below + (above - below) * (rank - Math.floor(rank));
  }
}
