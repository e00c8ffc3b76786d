import type { Micros } from '../reading.ts';

/** What stored values say of a metric: where they usually are, how much they jitter, how often they come. */
export interface MetricFigures {
  readonly metric: string;
  readonly sensors: number;
  readonly values: number;
  /** A thousandth of the values lies below `low`, and one above `high`. */
  readonly low: number;
  readonly high: number;
  readonly least: number;
  readonly most: number;
  /** Standard deviation of the noise between one value and the next: steps and drifts do not count. */
  readonly noise: number;
  /** The usual time between two values of a sensor, in seconds. */
  readonly intervalS: number;
}

const QUANTILE = 0.001;
/** A thousandth of so many is 50: the quantile is steady, and memory bounded. */
const SAMPLE = 50_000;

/** Median of |difference| to the standard deviation of one value, for normal noise. */
const NOISE_FACTOR = 1.4826 / Math.SQRT2;

/** One pass over the values of one metric, in the order of time. */
export class MetricSample {
  private readonly metric: string;
  private readonly values: Reservoir;
  private readonly steps: Reservoir;
  private readonly gaps: Reservoir;
  private readonly last = new Map<number, { timeUs: Micros; value: number }>();
  private least = Infinity;
  private most = -Infinity;

  /** `random` gives 0 (included) to 1 (excluded). */
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

  figures(): MetricFigures {
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

/** A sample in which every value has the same chance to be (Vitter's algorithm R). */
class Reservoir {
  seen = 0;
  private readonly kept: number[] = [];
  private readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  add(value: number): void {
    this.seen++;
    if (this.kept.length < SAMPLE) {
      this.kept.push(value);
      return;
    }
    const at = Math.floor(this.random() * this.seen);
    if (at < SAMPLE) this.kept[at] = value;
  }

  /** Between the two nearest values; NaN for none. */
  quantile(share: number): number {
    const sorted = Float64Array.from(this.kept).sort();
    const rank = share * (sorted.length - 1);
    const below = sorted[Math.floor(rank)] ?? NaN;
    const above = sorted[Math.ceil(rank)] ?? NaN;
    return below + (above - below) * (rank - Math.floor(rank));
  }
}
