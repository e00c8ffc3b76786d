import * as z from '../../core/schema/zod.ts';
import { moment, seconds, sensorKey, several, text, time, unit } from './fields.ts';

export const SOURCES = ['raw', 'hourly', 'daily'] as const;
export type ReadingsSource = (typeof SOURCES)[number];

export const MAX_POINTS = 5000;

export const readingsQuery = z
  .strictObject({
    metric: several(
      z.string().max(256),
      20,
      'name of a metric; may be given several times; without it: those of the newest readings',
    ),
    from: moment('start').default('24h'),
    to: moment('end, not included; without it: now').optional(),
    step: z.coerce.number().min(1).max(31_536_000).optional().describe('width of a bucket; seconds'),
    points: z.coerce
      .number()
      .int()
      .min(1)
      .max(MAX_POINTS)
      .optional()
      .describe('number of buckets at most, where step is not given (default: 500)'),
  })
  .meta({ id: 'ReadingsQuery' });
export type ReadingsQuery = z.input<typeof readingsQuery>;

const column = (description: string) =>
  z.array(z.number()).describe(`${description}; in the unit of the metric`);

/** The buckets of one metric, column by column: the arrays are of one length. */
export const metricColumnsSchema = z
  .object({
    metric: text('name of the metric'),
    unit,
    time: z
      .array(z.number())
      .describe(
        'start of each bucket, oldest first; milliseconds since 1970. A bucket that is missing is a gap',
      ),
    mean: column('mean of each bucket'),
    min: column('least value of each bucket'),
    max: column('greatest value of each bucket'),
  })
  .meta({ id: 'MetricColumns', description: 'The buckets of one metric, column by column' });
export type MetricColumns = z.output<typeof metricColumnsSchema>;

export const readingsSchema = z
  .object({
    sensor: sensorKey,
    from: time('start of the first bucket'),
    to: time('end of the range'),
    stepS: seconds('width of a bucket; 0: each reading as it was measured'),
    source: z.enum(SOURCES).describe('raw: readings; hourly, daily: figures that outlive them'),
    metrics: z
      .array(metricColumnsSchema)
      .describe('the metrics that were asked for and have a value in the range'),
  })
  .meta({ id: 'Readings', description: 'Readings of one sensor over a range, in buckets' });
export type Readings = z.output<typeof readingsSchema>;
