/** The rows of the analyses: the same of the library, the command line and the API, where times are text. Types only, for the library's declarations. */

/** The figures of a metric. */
export interface Description {
  readonly metric: string;
  /** Null: of all sensors together. */
  readonly sensor: string | null;
  /** Sensors that have a value. */
  readonly sensors: number;
  readonly unit: string | null;
  readonly count: number;
  readonly mean: number;
  /** Standard deviation of the sample; null of a single value. */
  readonly std: number | null;
  readonly min: number;
  /** Quartiles, interpolated. */
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly max: number;
  readonly first: Date;
  readonly last: Date;
}

/** How two metrics, or two sensors, go together. */
export interface PairCorrelation {
  /** The metric that is compared between sensors; null: two metrics are compared. */
  readonly metric: string | null;
  readonly a: string;
  readonly b: string;
  /** -1 to 1; null where one of the two does not vary. */
  readonly r: number | null;
  /** Buckets that both have. */
  readonly buckets: number;
}

/** Usual values at an hour or a weekday. */
export interface PatternPart {
  /** Null: of all sensors together. */
  readonly sensor: string | null;
  /** 1 is Monday, 7 Sunday; null of `hour`. */
  readonly weekday: number | null;
  /** 0 to 23; null of `weekday`. */
  readonly hour: number | null;
  readonly mean: number;
  readonly std: number | null;
  readonly min: number;
  readonly median: number;
  readonly max: number;
  readonly count: number;
  /** Days that have a value in it. */
  readonly days: number;
}

/** A time without readings. */
export interface Gap {
  /** The reading before it, also one before the range. */
  readonly from: Date;
  /** The reading after it, or the end of the range. */
  readonly to: Date;
  /** No reading has come since. */
  readonly open: boolean;
  readonly seconds: number;
  /** Readings that were due. */
  readonly missing: number;
}

/** Presence of a sensor's readings, by its own rhythm. */
export interface SensorPresence {
  readonly sensor: string;
  readonly location: string | null;
  /** The median of its steps in seconds; null of fewer than three readings. */
  readonly rhythmS: number | null;
  readonly readings: number;
  readonly expected: number | null;
  /** 0 to 1. */
  readonly share: number | null;
  /** Time in gaps, beyond one step each. */
  readonly missingS: number;
  readonly gaps: readonly Gap[];
  readonly days: readonly {
    /** `2026-01-31` */
    readonly day: string;
    readonly readings: number;
    readonly expected: number | null;
    readonly share: number | null;
  }[];
}

export interface Resampled {
  readonly bucket: Date;
  readonly sensor: string;
  readonly location: string | null;
  readonly value: number | null;
}

export interface Outlier {
  readonly time: Date;
  readonly sensor: string;
  readonly location: string | null;
  readonly value: number;
  /** The mean, or the median. */
  readonly expected: number;
  readonly spread: number;
  /** How many spreads the value is away, with sign. */
  readonly score: number;
}

/** Use of a counter in one bucket of one sensor. */
export interface CounterUse {
  /** Start of the bucket. */
  readonly bucket: Date;
  readonly sensor: string;
  readonly location: string | null;
  /** In the unit of the metric. */
  readonly use: number;
  /** Per second; null of a single value. */
  readonly rate: number | null;
  /** How often the counter started again from zero. */
  readonly resets: number;
  /** How often it passed its highest value (`metrics.wraps_at`). */
  readonly overflows: number;
  /** Its newest value. */
  readonly last: number;
}

/** A figure of a program, or of the daemon itself. */
export interface StoredAppMetric {
  readonly time: Date;
  readonly host: string;
  readonly metric: string;
  readonly value: number;
  readonly tags: Readonly<Record<string, unknown>>;
}

/** The figures of one metric over a time. */
export interface MetricSummary {
  readonly metric: string;
  readonly unit: string | null;
  readonly count: number;
  readonly avg: number;
  readonly min: number;
  readonly max: number;
  /** Standard deviation of the sample; null of a single value. */
  readonly stddev: number | null;
  readonly first: number;
  readonly last: number;
  readonly lastTime: Date;
}
