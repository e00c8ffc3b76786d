import type {
  Description,
  Outlier,
  PairCorrelation,
  PatternPart,
  Resampled,
  SensorPresence,
} from '../queries/rows.ts';
import type { TimeInput } from './pure-types.ts';

export type * from '../queries/rows.ts';

/** Which readings are analysed. */
export interface AnalyzeRange {
  readonly from: TimeInput;
  /** Not included; now by default. */
  readonly to?: TimeInput;
  /** Keys of sensors, also former ones; absent: all of them. */
  readonly sensor?: string | readonly string[];
  readonly location?: string;
}

/** Which buckets values are put into. */
export interface AnalyzeBuckets {
  /** `15m`, `1h`, `1d`, `1w`, `1mo`, `1y`; an hour by default. */
  readonly bucket?: string;
  /** Where days, weeks and months begin, such as `Europe/Berlin`; UTC by default. Buckets up to an hour are elapsed time. */
  readonly timeZone?: string;
}

export interface DescribeInput extends AnalyzeRange {
  /** All by default. */
  readonly metrics?: readonly string[];
  /** Each sensor by itself; otherwise all of them together. */
  readonly bySensor?: boolean;
}

export interface CorrelateInput extends AnalyzeRange, AnalyzeBuckets {
  /** Pairs of metrics of the same sensor, or pairs of sensors metric by metric; `metrics` by default. */
  readonly of?: 'metrics' | 'sensors';
  /** All by default. */
  readonly metrics?: readonly string[];
  /** Correlation of values (Pearson), or of their ranks (Spearman); `pearson` by default. */
  readonly method?: 'pearson' | 'spearman';
}

export interface PatternInput extends AnalyzeRange {
  readonly metric: string;
  /** Hours of a day, days of a week, or hours of a week; `hour` by default. */
  readonly of?: 'hour' | 'weekday' | 'week';
  /** Zone of the hours and days, such as `Europe/Berlin`; UTC by default. */
  readonly timeZone?: string;
  readonly bySensor?: boolean;
}

export interface MissingInput extends AnalyzeRange {
  /** Values of this metric; readings, whatever they have, by default. */
  readonly metric?: string;
  /** A gap is longer than so many usual steps of the sensor; 3 by default. */
  readonly factor?: number;
  /** Zone of the days, such as `Europe/Berlin`; UTC by default. */
  readonly timeZone?: string;
}

export interface ResampleInput extends AnalyzeRange, AnalyzeBuckets {
  readonly metric: string;
  /** How the values of a bucket become one; `mean` by default. */
  readonly method?: 'mean' | 'median' | 'min' | 'max' | 'sum' | 'count' | 'std' | 'first' | 'last';
  /** Buckets without values: left out (`none`), null, the last value, or a straight line; `null` by default. */
  readonly fill?: 'none' | 'null' | 'previous' | 'linear';
}

export interface OutliersInput extends AnalyzeRange {
  readonly metric: string;
  /**
   * `rolling`: against mean and deviation of the window before a value; `mad`: against the median of the range, by the median absolute deviation;
   * `z`: against mean and deviation of the range. `rolling` by default.
   */
  readonly method?: 'rolling' | 'mad' | 'z';
  /** Deviations at least; 3 by default, of `mad` 3.5. */
  readonly threshold?: number;
  /** Time before a value for `rolling`; `1h` by default. */
  readonly window?: string;
  /** With fewer values, of the window or the range, there is no verdict; 10 by default. */
  readonly minValues?: number;
  /** Values at most, furthest first; all by default. */
  readonly limit?: number;
}

/**
 * Analyses of stored readings: all of them are computed by the database, and only their results are sent.
 *
 * All reject with FieldwatchError SENSOR_UNKNOWN, LOCATION_UNKNOWN or METRIC_UNKNOWN for a name that the database does not have,
 * ANALYZE_INVALID for an invalid bucket, window or zone, and QUERY_TOO_LARGE for more than 20,000 buckets a sensor.
 *
 * @example
 * ```ts
 * import { openMonitor } from 'fieldwatch';
 *
 * await using monitor = await openMonitor({ database: process.env.DATABASE_URL ?? { embedded: './data' } });
 * const hourAgo = Date.now() - 3_600_000;
 * await monitor.recordBatch(
 *   Array.from({ length: 60 }, (_, minute) => ({
 *     sensor: 'freezer',
 *     time: hourAgo + minute * 60_000,
 *     metrics: { temperature: minute === 40 ? 5 : -18 - (minute % 3) },
 *   })),
 * );
 * const chosen = { sensor: 'freezer', metric: 'temperature', from: hourAgo };
 * const [figures] = await monitor.analyze.describe({ ...chosen, metrics: ['temperature'] });
 * console.log(figures?.count, figures?.p50, figures?.max); // 60 -19 5
 * const [outlier] = await monitor.analyze.outliers({ ...chosen, window: '30m' });
 * console.log(outlier?.value, outlier?.expected.toFixed(1)); // 5 -19.0
 * ```
 */
export interface Analyze {
  /** Count, mean, deviation, extremes and quartiles of each metric. */
  describe(input: DescribeInput): Promise<readonly Description[]>;
  /** Correlation of metrics, or of sensors, by their means of common buckets. */
  correlate(input: CorrelateInput): Promise<readonly PairCorrelation[]>;
  /** Usual values at each hour of a day, day of a week, or hour of a week, in a time zone. */
  pattern(input: PatternInput): Promise<readonly PatternPart[]>;
  /** Gaps that are longer than the sensor's own rhythm, and the share that is there of each day. */
  missing(input: MissingInput): Promise<readonly SensorPresence[]>;
  /** One value a bucket and sensor; by sensor, then time. */
  resample(input: ResampleInput): Promise<readonly Resampled[]>;
  /** Values that are far from what is usual for their sensor, furthest first. */
  outliers(input: OutliersInput): Promise<readonly Outlier[]>;
}
