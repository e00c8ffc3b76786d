import { ALL_KINDS } from '../../core/alert/kind/index.ts';
import * as z from '../../core/schema/zod.ts';
import { SENSOR_STATES, type SensorState } from '../../core/sensor-state.ts';
import { alertSchema } from './alerts.ts';
import {
  count,
  flag,
  page,
  pageQuery,
  seconds,
  sensorKey,
  severity,
  several,
  text,
  time,
  unit,
  value,
} from './fields.ts';

export { SENSOR_STATES, type SensorState };

export const SENSOR_SORTS = ['key', 'lastSeen'] as const;

export const latestSchema = z
  .object({
    metric: text('name of the metric'),
    value: value('the newest value'),
    unit,
    time: time('when it was measured'),
  })
  .meta({ id: 'LatestValue', description: 'The newest value of a metric' });
export type LatestValue = z.output<typeof latestSchema>;

const sparkSchema = z
  .object({
    metric: text('name of the metric'),
    unit,
    from: time('start of the first value'),
    stepS: seconds('from one value to the next'),
    values: z
      .array(value('mean of one step').nullable())
      .describe('24 means in the unit of the metric, oldest first; null: nothing was measured'),
  })
  .meta({ id: 'Spark', description: 'One metric over the last day, in 24 steps' });
export type Spark = z.output<typeof sparkSchema>;

const identity = {
  key: sensorKey,
  name: z.string().nullable().describe('name for people; null: none was given'),
  location: z.string().nullable().describe('place; null: not known'),
  type: z.string().nullable().describe('kind of sensor; null: not known'),
  tags: z.array(z.string()).describe('tags'),
  gateway: z.string().nullable().describe('key of the sensor that it sends through; null: none is known'),
  state: z
    .enum(SENSOR_STATES)
    .describe('ok, alert, silent, never (never sent a reading) or retired (nothing is expected of it)'),
  retired: z
    .enum(['for_good', 'until_seen'])
    .nullable()
    .describe('until_seen: its next reading brings it back; null: it is in use'),
  lastSeen: time('the newest reading')
    .nullable()
    .describe('time of the newest reading; null: none is stored'),
  openAlerts: count('open alerts'),
  latest: z
    .array(latestSchema)
    .describe('the newest value of each metric that it sent lately, core metrics first'),
};

export const sensorItemSchema = z
  .object({
    ...identity,
    spark: sparkSchema.optional().describe('with `spark=true`: its first metric over the last day'),
  })
  .meta({ id: 'SensorItem', description: 'A sensor in the list' });
export type SensorItem = z.output<typeof sensorItemSchema>;

export const sensorListSchema = page(sensorItemSchema, 'sensors')
  .extend({ total: count('sensors that the filters let through') })
  .meta({ id: 'SensorList', description: 'A page of sensors' });
export type SensorList = z.output<typeof sensorListSchema>;

export const sensorsQuery = z.strictObject({
  search: z
    .string()
    .max(200)
    .optional()
    .describe('part of the key, name, location or type; case does not matter'),
  location: z.string().max(1024).optional().describe('only this location'),
  type: z.string().max(1024).optional().describe('only this type'),
  tag: z.string().max(1024).optional().describe('only with this tag'),
  state: several(
    z.enum(SENSOR_STATES),
    SENSOR_STATES.length,
    'only in this state; may be given several times',
  ),
  sort: z
    .enum(SENSOR_SORTS)
    .default('key')
    .describe('order: by key, or by last reading with the newest first'),
  spark: flag('true: with a spark line of each sensor'),
  ...pageQuery,
});
export type SensorsQuery = z.input<typeof sensorsQuery>;

const KIND_NAMES = ALL_KINDS.map(([name]) => name);

export const limitSchema = z
  .object({
    metric: text('name of the metric; empty: the sensor as a whole'),
    alertType: text('type of the alert that it raises'),
    kind: text(`kind of the rule: ${KIND_NAMES.slice(0, -1).join(', ')} or ${KIND_NAMES.at(-1) ?? ''}`),
    measure: text('what is compared with the bound: value, change, mean'),
    onCurve: z.boolean().describe('true: the bound is a height on the curve of the metric'),
    side: z.enum(['high', 'low', 'both']).describe('on which side of the bound it fires'),
    severity,
    bound: z
      .number()
      .describe(
        'the limit: of a threshold or a mean in the unit of the metric, of a rate per minute, of silence in seconds',
      ),
    boundUnit: z.string().nullable().describe('unit of the bound: °C, °C/min, s; null: a plain number'),
    hysteresis: value('how far back inside the bound it must come to clear'),
    forS: seconds('how long it must be crossed before it fires'),
    keepFiringForS: seconds('how long it must be clear before it resolves'),
    latch: z.boolean().describe('true: it stays open until it is acknowledged'),
    runbook: z.string().nullable().describe('link or hint of the rule; null: none'),
    from: text('which layer of the configuration sets it: metrics.temperature, overrides[0] (location lab)'),
  })
  .meta({ id: 'Limit', description: 'A limit that applies to a sensor' });
export type Limit = z.output<typeof limitSchema>;

export const sensorSchema = z
  .object({
    ...identity,
    aliases: z.array(z.string()).describe('former keys: what arrives under them is stored for this sensor'),
    declared: z.boolean().describe('true: from the configuration; false: registered on arrival'),
    createdAt: time('when it was registered'),
    firstSeen: time('the oldest reading')
      .nullable()
      .describe('time of the oldest reading that is kept; null: none'),
    limits: z.array(limitSchema).describe('the limits in effect'),
    alerts: z.array(alertSchema).describe('its open alerts, and breaches that are pending'),
  })
  .meta({ id: 'Sensor', description: 'One sensor' });
export type Sensor = z.output<typeof sensorSchema>;

export const forgetSchema = z.strictObject({
  dryRun: z.boolean().default(false).describe('true: only count what would be deleted'),
});
export type Forget = z.input<typeof forgetSchema>;

/** Rows that `sensors forget` deleted, or would delete. */
export const forgottenSchema = z
  .object({
    key: sensorKey,
    done: z.boolean().describe('false: it was only counted'),
    readings: count('readings'),
    values: count('values of further metrics'),
    alertRows: count('alert rows'),
    closedAlerts: count('open alerts that are closed by hand'),
    first: time('the oldest reading').nullable(),
    last: time('the newest reading').nullable(),
  })
  .meta({ id: 'Forgotten', description: 'The rows of a sensor that was forgotten' });
export type Forgotten = z.output<typeof forgottenSchema>;

/** Choices of the list's filters. */
export const sensorFacetsSchema = z
  .object({
    locations: z.array(z.string()).describe('every location, 1,000 at most'),
    types: z.array(z.string()).describe('every type, 1,000 at most'),
    tags: z.array(z.string()).describe('every tag, 1,000 at most'),
    states: z
      .object({
        ok: count('sensors of which all is well'),
        alert: count('sensors with an open alert'),
        silent: count('sensors that stopped sending'),
        never: count('sensors that never sent'),
        retired: count('sensors of which nothing is expected'),
      })
      .describe('sensors by state'),
  })
  .meta({ id: 'SensorFacets', description: 'What sensors can be filtered by' });
export type SensorFacets = z.output<typeof sensorFacetsSchema>;

export const retireSchema = z
  .strictObject({
    untilSeen: z.boolean().default(false).describe('true: its next reading brings it back'),
    undo: z.boolean().default(false).describe('true: bring it back now'),
  })
  .refine(({ untilSeen, undo }) => !untilSeen || !undo, { error: 'untilSeen and undo exclude each other' });

/** Result of `sensors retire`. */
export const retiredSchema = z
  .object({
    key: sensorKey,
    retired: z.boolean().describe('true: no rule applies to it, and what it sends is stored'),
    untilSeen: z.boolean().describe('true: its next reading brings it back'),
    closedAlerts: count('open alerts that were ended'),
    changed: z.boolean().describe('false: it was so before'),
  })
  .meta({ id: 'Retired', description: 'A sensor that was retired or brought back' });
export type Retired = z.output<typeof retiredSchema>;
