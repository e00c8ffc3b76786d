import * as z from '../../core/schema/zod.ts';
import { formatInterval, intervalMs, parseInterval } from '../../core/policy/interval.ts';
import { type PoliciesSection, REPAIR_MODES, planOf } from '../../core/policy/plan.ts';
import { planFaults } from '../../core/policy/validate.ts';
import { bytes } from '../../core/schema/common.ts';
import { described, flag, section, text, whole } from '../../core/schema/fields.ts';

const MIB = 1024 ** 2;

const INTERVAL = z.string().describe('duration, such as 10 minutes, 7 days, 6 months, 1 year');

/** The schema for the same arguments is built once: the tables have most of theirs in common. */
function shared<Args extends readonly unknown[], Schema>(
  build: (...args: Args) => Schema,
): (...args: Args) => Schema {
  const built = new Map<string, Schema>();
  return (...args) => {
    const key = JSON.stringify(args);
    const known = built.get(key) ?? build(...args);
    built.set(key, known);
    return known;
  };
}

/**
 * An interval as PostgreSQL has it: `1 year` is twelve months, not 365 days. Gives its one spelling, as text, because
 * that is what goes into SQL and what jobs are compared with.
 */
const bounded = ({ min, max }: { min: string; max?: string | undefined }) =>
  INTERVAL.transform((value, context) => {
    const parsed = parseInterval(value);
    if (parsed === undefined) {
      context.addIssue({
        code: 'custom',
        message: `"${value}" is no interval; write it like 10 minutes, 7 days or 1 year`,
      });
      return z.NEVER;
    }
    if (intervalMs(parsed) < intervalMs(min) || (max !== undefined && intervalMs(parsed) > intervalMs(max))) {
      context.addIssue({
        code: 'custom',
        message: `"${value}" is out of bounds: ${min} to ${max ?? 'any'}`,
      });
      return z.NEVER;
    }
    return formatInterval(parsed);
  });

const interval = shared(
  ({ fallback, ...bounds }: { min: string; max?: string; fallback: string }, description: string) =>
    described(bounded(bounds).prefault(fallback), description),
);

const schedule = (every: string, maxRuntime: string) => ({
  every: interval({ min: '10 seconds', max: '30 days', fallback: every }, 'time between two runs'),
  max_runtime: interval(
    { min: '0 seconds', max: '7 days', fallback: maxRuntime },
    'longest run; 0: no limit',
  ),
});

const retention = shared((after: string, every: string) =>
  section(
    {
      paused: flag(false, 'true: nothing is dropped for the time being; needs a reason'),
      reason: text('why retention is paused').optional(),
      enabled: flag(true, 'false: keep everything, and report a retention policy that was added by hand'),
      after: interval({ min: '1 hour', fallback: after }, 'chunks that are older as a whole are dropped'),
      ...schedule(every, '5 minutes'),
    },
    'how long data is kept',
  )
    .refine(({ paused, reason }) => !paused || reason !== undefined, {
      path: ['reason'],
      message: 'a paused retention needs a reason',
    })
    .prefault({}),
);

const column = /^[a-z_][a-z0-9_]*$/;

const compression = shared((after: string, segmentBy: readonly string[], orderBy: string) =>
  section(
    {
      enabled: flag(true, 'false: chunks stay in row form'),
      after: interval({ min: '1 hour', fallback: after }, 'chunks that are older as a whole are compressed'),
      ...schedule('1 hour', '0 seconds'),
      segment_by: z
        .array(text('column').regex(column, 'must be a plain column name'))
        .max(4)
        .default([...segmentBy])
        .describe(
          'columns whose values a compressed row has in common; a change takes effect for chunks to come',
        ),
      order_by: text('order within a compressed row; a change takes effect for chunks to come')
        .regex(
          /^[a-z_][a-z0-9_]*( (ASC|DESC))?(, ?[a-z_][a-z0-9_]*( (ASC|DESC))?)*$/,
          'must be like "time DESC"',
        )
        .default(orderBy),
    },
    'compression of older chunks',
  ).prefault({}),
);

const chunkInterval = (fallback: string) =>
  interval(
    { min: '1 hour', max: '1 year', fallback: fallback },
    'time that one chunk spans: also how finely compression and retention work; a change takes effect for chunks to come',
  );

const refresh = shared((start: string, end: string, every: string) =>
  section(
    {
      enabled: flag(true, 'false: the aggregate is refreshed by hand only'),
      start_offset: interval(
        { min: '1 hour', fallback: start },
        'how far back a refresh reaches: later readings are not picked up',
      ),
      end_offset: interval({ min: '0 seconds', fallback: end }, 'how close to now a refresh reaches'),
      ...schedule(every, '0 seconds'),
    },
    'refresh of the aggregate',
  ).prefault({}),
);

/** `model`: the aggregate whose start_offset it has where none is stated. */
const refreshLike = (model: string, end: string, every: string) =>
  section(
    {
      enabled: flag(true, 'false: the aggregate is refreshed by hand only'),
      start_offset: bounded({ min: '1 hour' })
        .optional()
        .describe(
          `how far back a refresh reaches: later values are not picked up; without it as far as that of ${model}, or as compression and retention of its source allow`,
        ),
      end_offset: interval({ min: '0 seconds', fallback: end }, 'how close to now a refresh reaches'),
      ...schedule(every, '0 seconds'),
    },
    'refresh of the aggregate',
  ).prefault({});

const hypertables = section(
  {
    sensor_readings: section(
      {
        chunk_interval: chunkInterval('1 day'),
        compression: compression('7 days', ['sensor_id'], 'time DESC'),
        retention: retention('90 days', '1 hour'),
      },
      'readings as they came',
    ).prefault({}),
    sensor_metrics: section(
      {
        chunk_interval: chunkInterval('1 day'),
        compression: compression('7 days', ['sensor_id', 'metric_id'], 'time DESC'),
        retention: retention('90 days', '1 hour'),
      },
      'metrics without a column of their own in sensor_readings',
    ).prefault({}),
    sensor_alerts: section(
      { chunk_interval: chunkInterval('7 days'), retention: retention('1 year', '1 day') },
      'alerts',
    ).prefault({}),
    dead_letters: section(
      { chunk_interval: chunkInterval('1 day'), retention: retention('30 days', '1 day') },
      'messages that gave no reading',
    ).prefault({}),
    app_metrics: section(
      {
        chunk_interval: chunkInterval('1 day'),
        compression: compression('2 days', ['metric_name'], 'time DESC'),
        retention: retention('30 days', '1 day'),
      },
      'figures of the daemon itself',
    ).prefault({}),
  },
  'tables partitioned by time',
).prefault({});

const aggregates = section(
  {
    sensor_hourly_agg: section(
      { refresh: refresh('3 days', '5 minutes', '10 minutes'), retention: retention('1 year', '1 day') },
      'hours, made of sensor_readings',
    ).prefault({}),
    sensor_daily_agg: section(
      { refresh: refresh('5 days', '1 hour', '1 hour'), retention: retention('5 years', '1 day') },
      'days, made of sensor_hourly_agg',
    ).prefault({}),
    sensor_metrics_hourly_agg: section(
      {
        refresh: refreshLike('sensor_hourly_agg', '5 minutes', '10 minutes'),
        retention: retention('1 year', '1 day'),
      },
      'hours, made of sensor_metrics',
    ).prefault({}),
    sensor_metrics_daily_agg: section(
      {
        refresh: refreshLike('sensor_daily_agg', '1 hour', '1 hour'),
        retention: retention('5 years', '1 day'),
      },
      'days, made of sensor_metrics_hourly_agg',
    ).prefault({}),
  },
  'continuous aggregates',
).prefault({});

/** The desired state of the database's policies. The defaults are what sql/ creates; a test holds the two together. */
export const policiesSchema = section(
  {
    repair: z
      .enum(REPAIR_MODES)
      .default('suggest')
      .describe(
        'auto: the scheduler repairs what can be repaired without deleting anything; suggest: it reports the steps that `fieldwatch policies repair` would run; off: it only reports findings',
      ),
    late_horizon: interval(
      { min: '0 seconds', fallback: '3 days' },
      'how late readings are expected; each refresh must reach back that far, and what comes later is a finding',
    ),
    disk: section(
      {
        budget: bytes({ min: MIB })
          .optional()
          .describe(
            'how large the database may become; without it, as large as the disk of the embedded database (the disk of a server cannot be seen)',
          ),
        least_days: whole(
          { min: 1, max: 3650, fallback: 14 },
          'days for which there must be room at the rate of the last seven',
        ),
      },
      'growth of the database',
    ).prefault({}),
    hypertables,
    aggregates,
  },
  'what the policies of the database should be: verified by the scheduler',
)
  .superRefine((value, context) => {
    for (const { path, message } of planFaults(planOf(value))) {
      context.addIssue({ code: 'custom', path: [...path], message });
    }
  })
  .prefault({});

/** Type check: the output of the schema is the declaration of the plan. */
export type PoliciesConfig = z.output<typeof policiesSchema> & PoliciesSection;
