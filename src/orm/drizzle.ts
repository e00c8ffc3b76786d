import { type SQL, type SQLWrapper, relations, sql } from 'drizzle-orm';
import {
  metrics,
  sensorAlerts,
  sensorAliases,
  sensorMetrics,
  sensorReadings,
  sensors,
} from './drizzle-tables.ts';
import { type IntervalText, fractionText, intervalText } from './sql-text.ts';

export * from './drizzle-tables.ts';
export type { IntervalText } from './sql-text.ts';

export const sensorsRelations = relations(sensors, ({ many }) => ({
  readings: many(sensorReadings),
  metrics: many(sensorMetrics),
  alerts: many(sensorAlerts),
  aliases: many(sensorAliases),
}));
export const sensorReadingsRelations = relations(sensorReadings, ({ one }) => ({
  sensor: one(sensors, { fields: [sensorReadings.sensorId], references: [sensors.id] }),
}));
export const sensorMetricsRelations = relations(sensorMetrics, ({ one }) => ({
  sensor: one(sensors, { fields: [sensorMetrics.sensorId], references: [sensors.id] }),
  metric: one(metrics, { fields: [sensorMetrics.metricId], references: [metrics.id] }),
}));
export const metricsRelations = relations(metrics, ({ many }) => ({ values: many(sensorMetrics) }));
export const sensorAlertsRelations = relations(sensorAlerts, ({ one }) => ({
  sensor: one(sensors, { fields: [sensorAlerts.sensorId], references: [sensors.id] }),
}));
export const sensorAliasesRelations = relations(sensorAliases, ({ one }) => ({
  sensor: one(sensors, { fields: [sensorAliases.sensorId], references: [sensors.id] }),
}));

const width = (text: IntervalText): SQL => sql.raw(intervalText(text));
/** drizzle leaves times of expressions as text. */
const toDate = (value: unknown): Date => new Date(value as string);
const toNumber = (value: unknown): number => Number(value);

/** The start of the bucket that a time lies in. */
export const timeBucket = (every: IntervalText, time: SQLWrapper): SQL<Date> =>
  sql`time_bucket(${width(every)}, ${time})`.mapWith(toDate);

/** `timeBucket` with a row for each bucket from `from` to `to`, also where there is nothing. */
export const timeBucketGapfill = (every: IntervalText, time: SQLWrapper, from: Date, to: Date): SQL<Date> =>
  sql`time_bucket_gapfill(${width(every)}, ${time}, ${sql.raw(`'${from.toISOString()}'`)}::timestamptz, ${sql.raw(`'${to.toISOString()}'`)}::timestamptz)`.mapWith(
    toDate,
  );

/** In a gap, the last value before it. */
export const locf = (value: SQLWrapper): SQL<number | null> => sql<number | null>`locf(${value})`;
/** In a gap, the straight line between its neighbours. */
export const interpolate = (value: SQLWrapper): SQL<number | null> =>
  sql<number | null>`interpolate(${value})`;
/** The value at the earliest, or the latest, time of a group. */
export const first = (value: SQLWrapper, time: SQLWrapper): SQL<number | null> =>
  sql<number | null>`first(${value}, ${time})`;
export const last = (value: SQLWrapper, time: SQLWrapper): SQL<number | null> =>
  sql<number | null>`last(${value}, ${time})`;
/** Interpolated between two values. */
export const percentileCont = (fraction: number, value: SQLWrapper): SQL<number | null> =>
  sql<number | null>`percentile_cont(${sql.raw(fractionText(fraction))}) WITHIN GROUP (ORDER BY ${value})`;
/** How many rows a table has, by the statistics of the database. */
export const approxRowCount = (relation: string): SQL<number> =>
  sql`approximate_row_count(${relation}::regclass)`.mapWith(toNumber);

/** Chunks older than this are dropped: `db.execute(sql`SELECT ${addRetentionPolicy(…)}`)`. */
export const addRetentionPolicy = (relation: string, dropAfter: IntervalText): SQL =>
  sql`add_retention_policy(${relation}::regclass, drop_after => ${width(dropAfter)}, if_not_exists => true)`;
/** Chunks older than this are compressed. */
export const addCompressionPolicy = (relation: string, after: IntervalText): SQL =>
  sql`add_compression_policy(${relation}::regclass, compress_after => ${width(after)}, if_not_exists => true)`;
export const removeRetentionPolicy = (relation: string): SQL =>
  sql`remove_retention_policy(${relation}::regclass, if_exists => true)`;
export const removeCompressionPolicy = (relation: string): SQL =>
  sql`remove_compression_policy(${relation}::regclass, if_exists => true)`;
