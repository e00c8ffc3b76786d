import * as z from '../../core/schema/zod.ts';
import { CORRELATED, CORRELATE_DEFAULTS, CORRELATIONS } from '../../queries/analyze/correlate.ts';
import { DEFAULT_BUCKET, DEFAULT_WINDOW, DEFAULT_ZONE } from '../../queries/analyze/input.ts';
import { DEFAULT_FACTOR } from '../../queries/analyze/missing.ts';
import { OUTLIERS, OUTLIER_DEFAULTS } from '../../queries/analyze/outliers.ts';
import { DEFAULT_PATTERN, PATTERNS } from '../../queries/analyze/pattern.ts';
import { FILLS, METHODS, RESAMPLE_DEFAULTS } from '../../queries/gapfill.ts';
import type {
  CounterUse,
  Description,
  Outlier,
  PairCorrelation,
  PatternPart,
  Resampled,
  SensorPresence,
  StoredAppMetric,
} from '../../queries/rows.ts';
import { count, flag, moment, seconds, sensorKey, several, text, time, unit, value } from './fields.ts';

const chosen = {
  sensor: several(
    z.string().max(1024),
    100,
    'key of a sensor; may be given several times; without it: all of them',
  ),
  location: z.string().max(1024).optional().describe('only sensors of this location'),
  from: moment('start').default('7d'),
  to: moment('end, not included; without it: now').optional(),
};
/** How an answer has a row: times are text. A contract that lacks a field of it does not compile. */
type InAnswer<Row> = Row extends Date
  ? string
  : Row extends readonly (infer Item)[]
    ? readonly InAnswer<Item>[]
    : Row extends object
      ? { readonly [Key in keyof Row]: InAnswer<Row[Key]> }
      : Row;

const metric = z.string().min(1).max(256).describe('name of a metric');
const metrics = several(
  z.string().max(256),
  20,
  'name of a metric; may be given several times; without it: all of them',
);
const tz = z
  .string()
  .max(64)
  .default(DEFAULT_ZONE)
  .describe('time zone of hours, days and months, such as Europe/Berlin');
const bucket = z
  .string()
  .max(32)
  .default(DEFAULT_BUCKET)
  .describe('width of a bucket: 15m, 1h, 1d, 1w, 1mo, 1y');
const bySensor = flag('true: each sensor by itself; otherwise all values together');

const items = <Item extends z.ZodType>(item: Item, id: string, description: string) =>
  z
    .object({
      items: z.array(item).describe(description),
      next: z.null().describe('always null: all of them are in one answer'),
    })
    .meta({ id, description });

const maybe = (description: string) => z.number().nullable().describe(description);
const ofAll = sensorKey.nullable().describe('the sensor; null: of all sensors together');

export const describeQuery = z.strictObject({ ...chosen, metric: metrics, bySensor });
export const descriptionsSchema = items(
  z
    .object({
      metric: text('name of the metric'),
      sensor: ofAll,
      sensors: count('sensors that have a value'),
      unit,
      count: count('values'),
      mean: value('mean'),
      std: maybe('standard deviation of the sample, in the unit of the metric; null of one value'),
      min: value('least value'),
      p25: value('first quartile, interpolated'),
      p50: value('median, interpolated'),
      p75: value('third quartile, interpolated'),
      max: value('greatest value'),
      first: time('the oldest value'),
      last: time('the newest value'),
    })
    .meta({ id: 'Description', description: 'The figures of a metric' }) satisfies z.ZodType<
    InAnswer<Description>
  >,
  'Descriptions',
  'Figures of metrics, by sensor, then metric',
);

export const correlateQuery = z.strictObject({
  ...chosen,
  metric: metrics,
  of: z
    .enum(CORRELATED)
    .default(CORRELATE_DEFAULTS.of)
    .describe('pairs of metrics of the same sensor, or of sensors'),
  method: z.enum(CORRELATIONS).default(CORRELATE_DEFAULTS.method).describe('of values, or of their ranks'),
  bucket,
  tz,
});
export const correlationsSchema = items(
  z
    .object({
      metric: z.string().nullable().describe('of sensors: the metric that is compared; null: of metrics'),
      a: text('one metric, or the key of one sensor'),
      b: text('the other one'),
      r: maybe('correlation, a number from -1 to 1; null where one of the two does not vary'),
      buckets: count('buckets that both have'),
    })
    .meta({
      id: 'Correlation',
      description: 'How two metrics, or two sensors, go together',
    }) satisfies z.ZodType<InAnswer<PairCorrelation>>,
  'Correlations',
  'Correlations of pairs',
);

export const patternQuery = z.strictObject({
  ...chosen,
  metric,
  of: z
    .enum(PATTERNS)
    .default(DEFAULT_PATTERN)
    .describe('hours of a day, days of a week, or hours of a week'),
  tz,
  bySensor,
});
export const patternSchema = items(
  z
    .object({
      sensor: ofAll,
      weekday: z
        .int()
        .nullable()
        .describe('number of the weekday: 1 is Monday, 7 Sunday; null of hours of a day'),
      hour: z.int().nullable().describe('number of the hour, 0 to 23; null of days of a week'),
      mean: value('mean'),
      std: maybe('standard deviation of the sample, in the unit of the metric; null of one value'),
      min: value('least value'),
      median: value('median'),
      max: value('greatest value'),
      count: count('values'),
      days: count('days that have a value in it'),
    })
    .meta({ id: 'PatternPart', description: 'What is usual at an hour or a weekday' }) satisfies z.ZodType<
    InAnswer<PatternPart>
  >,
  'Pattern',
  'What is usual, by sensor, weekday and hour',
);

export const missingQuery = z.strictObject({
  ...chosen,
  metric: metric.optional().describe('values of this metric; without it: readings, whatever they have'),
  factor: z.coerce
    .number()
    .min(1)
    .max(1e6)
    .default(DEFAULT_FACTOR)
    .describe('a gap is longer than this number of usual steps'),
  tz,
});
export const presencesSchema = items(
  z
    .object({
      sensor: sensorKey,
      location: z.string().nullable().describe('place; null: not known'),
      rhythmS: seconds('median of its steps')
        .nullable()
        .describe('median of its steps in seconds; null of fewer than three readings'),
      readings: count('readings'),
      expected: maybe('number of readings by its rhythm'),
      share: maybe('what is there of what was expected, a number from 0 to 1'),
      missingS: seconds('time in gaps, beyond one step each'),
      gaps: z
        .array(
          z.object({
            from: time('the reading before it'),
            to: time('the reading after it, or the end of the range'),
            open: z.boolean().describe('true: no reading has come since'),
            seconds: seconds('how long it lasts'),
            missing: count('readings that were due'),
          }),
        )
        .describe('times longer than its rhythm without a reading'),
      days: z
        .array(
          z.object({
            day: text('the day in the zone, such as 2026-01-31'),
            readings: count('readings'),
            expected: maybe('number of readings by its rhythm'),
            share: maybe('what is there of what was expected, a number from 0 to 1'),
          }),
        )
        .describe('what is there of each day'),
    })
    .meta({
      id: 'Presence',
      description: 'What is there of a sensor, by its own rhythm',
    }) satisfies z.ZodType<InAnswer<SensorPresence>>,
  'Presences',
  'What is there of each sensor',
);

export const resampleQuery = z.strictObject({
  ...chosen,
  metric,
  bucket,
  tz,
  method: z.enum(METHODS).default(RESAMPLE_DEFAULTS.method).describe('how the values of a bucket become one'),
  fill: z
    .enum(FILLS)
    .default(RESAMPLE_DEFAULTS.fill)
    .describe('of buckets without values: left out, null, the last value, or a straight line'),
});
export const resampledSchema = items(
  z
    .object({
      bucket: time('start of the bucket'),
      sensor: sensorKey,
      location: z.string().nullable().describe('place; null: not known'),
      value: maybe('the value, in the unit of the metric; null in a gap'),
    })
    .meta({ id: 'Resampled', description: 'One value of a bucket and sensor' }) satisfies z.ZodType<
    InAnswer<Resampled>
  >,
  'ResampledList',
  'Values by sensor, then time; 50,000 at most',
);

export const outliersQuery = z.strictObject({
  ...chosen,
  metric,
  method: z
    .enum(OUTLIERS)
    .default(OUTLIER_DEFAULTS.method)
    .describe(
      'rolling: mean and deviation of the window before; mad: median and median absolute deviation; z: mean and deviation',
    ),
  threshold: z.coerce
    .number()
    .min(0.1)
    .max(1000)
    .optional()
    .describe('number of deviations at least (default: 3; of mad 3.5)'),
  window: z
    .string()
    .max(32)
    .default(DEFAULT_WINDOW)
    .describe('of rolling: the time before a value, such as 1h'),
  minValues: z.coerce
    .number()
    .int()
    .min(2)
    .max(1e6)
    .default(OUTLIER_DEFAULTS.minValues)
    .describe('number of values below which there is no verdict'),
  limit: z.coerce.number().int().min(1).max(10_000).default(100).describe('number of items at most'),
});
export const outliersSchema = items(
  z
    .object({
      time: time('when it was measured'),
      sensor: sensorKey,
      location: z.string().nullable().describe('place; null: not known'),
      value: value('what was measured'),
      expected: value('the mean, or the median'),
      spread: value('the deviation, or what corresponds to it'),
      score: z.number().describe('number of spreads that the value is away, with sign'),
    })
    .meta({
      id: 'Outlier',
      description: 'A value far from what is usual for its sensor',
    }) satisfies z.ZodType<InAnswer<Outlier>>,
  'Outliers',
  'Values, furthest first',
);

export const useQuery = z.strictObject({ ...chosen, metric, bucket: bucket.default('1d'), tz });
export const usesSchema = items(
  z
    .object({
      bucket: time('start of the bucket'),
      sensor: sensorKey,
      location: z.string().nullable().describe('location of the sensor'),
      use: value('use of the counter, in the unit of the metric'),
      rate: maybe('use per second; null of a single value'),
      resets: count('how often the counter started again from zero'),
      overflows: count('how often it passed its highest value'),
      last: value('its newest value'),
    })
    .meta({ id: 'Use', description: 'The use of a counter in a bucket' }) satisfies z.ZodType<
    InAnswer<CounterUse>
  >,
  'Uses',
  'Use of a counter by buckets, newest first',
);

export const appMetricsQuery = z.strictObject({
  name: several(z.string().max(256), 20, 'name of a figure; may be given several times; without it: all'),
  host: z.string().max(256).optional().describe('only of this host'),
  from: moment('start').default('24h'),
  to: moment('end, not included; without it: now').optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(1000).describe('number of rows, 1 to 10000'),
});
export const appMetricsSchema = items(
  z
    .object({
      time: time('when it was recorded'),
      host: text('the host'),
      metric: text('name of the figure'),
      value: value('its value'),
      tags: z.record(z.string(), z.unknown()).describe('its tags'),
    })
    .meta({ id: 'AppMetric', description: 'A figure of a program or of the daemon' }) satisfies z.ZodType<
    InAnswer<StoredAppMetric>
  >,
  'AppMetrics',
  'Figures, newest first',
);
