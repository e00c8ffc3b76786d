import { FieldwatchError } from '../../core/errors.ts';
import type { CopyColumn } from '../../core/frame/copy-reader.ts';
import { CORE_METRICS, type CoreMetric } from '../../core/reading.ts';
import { hint } from '../../core/did-you-mean.ts';
import type { Db, TimeRange } from '../db.ts';
import {
  type CopyForm,
  type Dataset,
  type ExportMetric,
  type Layout,
  type Names,
  type Shape,
  aggregateLayout,
  alertsLayout,
  coreMetricOf,
  deadLettersLayout,
  longLayout,
  wideLayout,
} from './dataset.ts';
import { foundUnder } from '../found.ts';
import { EMBEDDED_SLICE, SERVER_SLICE, type SliceSize, type Span, mergeSpans } from './slices.ts';

export interface ExportQuery extends TimeRange {
  readonly dataset: Dataset;
  /** Default: `wide`, and `long` of the dataset `metrics`. */
  readonly shape?: Shape | undefined;
  /** Keys; also former ones. Absent or empty: all. */
  readonly sensors?: readonly string[] | undefined;
  readonly location?: string | undefined;
  /** Names; absent or empty: all there are in the range. */
  readonly metrics?: readonly string[] | undefined;
  /** Bytes as text: for CSV. */
  readonly textOnly?: boolean | undefined;
}

/** The range to be read, and its pieces. */
export interface ExportPlan {
  readonly columns: readonly CopyColumn[];
  /** How much one statement is to give on this server. */
  readonly sliceSize: SliceSize;
  /** Where rows can be, in order. */
  readonly spans: readonly Span[];
  /** A COPY … TO STDOUT of the rows in a part of a span, in the order of time. */
  readonly statement: (span: Span, form: CopyForm) => string;
}

/** A table of PostgreSQL has 1600 columns at most, and a reader of files fewer. */
const MOST_COLUMNS = 1000;

/**
 * Which columns, statements and times an export has. Rejects with EXPORT_UNKNOWN_NAME where a sensor, location or metric does not
 * exist, and with EXPORT_TOO_WIDE where the metrics are too many for columns.
 */
export async function planExport(db: Db, query: ExportQuery): Promise<ExportPlan> {
  const ids = await sensorIds(db, query);
  const layout = await layoutOf(db, query, ids);
  const names = await readNames(db);
  return {
    columns: layout.columns(names),
    sliceSize: (await isEmbedded(db)) ? EMBEDDED_SLICE : SERVER_SLICE,
    spans: await spansOf(db, layout, query),
    statement: ({ fromMs, toMs }, form) => {
      const range = (alias: string, time: string) =>
        `${alias}.${time} >= '${iso(fromMs)}' AND ${alias}.${time} < '${iso(toMs)}'`;
      const where = (alias: string, time: string) =>
        range(alias, time) + (layout.ofSensors === false ? '' : sensorsIn(alias, ids, names.lastSensor));
      return `COPY (${layout.select({ where, form })}) TO STDOUT (FORMAT ${form})`;
    },
  };
}

/** A sensor that registers while the export runs has no name yet: its rows are those of a later export. */
const sensorsIn = (alias: string, ids: readonly number[] | undefined, last: number): string =>
  ids === undefined
    ? ` AND ${alias}.sensor_id <= ${last}`
    : ` AND ${alias}.sensor_id IN (${ids.length === 0 ? 'NULL' : ids.join(', ')})`;

const isEmbeddedSql = 'SELECT pg_backend_pid() = 0 AS embedded';
const isEmbedded = async (db: Db): Promise<boolean> =>
  (await db.query<{ embedded: boolean }>(isEmbeddedSql, [])).rows[0]?.embedded === true;

const iso = (ms: number): string => new Date(ms).toISOString();

async function layoutOf(db: Db, query: ExportQuery, ids: readonly number[] | undefined): Promise<Layout> {
  const { dataset, metrics = [], textOnly = false } = query;
  const chosen = metrics.length > 0;
  if (dataset === 'alerts' || dataset === 'dead-letters') {
    if (chosen) throw notThere(`${dataset} are not exported by metric`);
    if (query.shape !== undefined) throw notThere(`${dataset} have no wide and long form`);
    if (dataset === 'alerts') return alertsLayout;
    if (ids !== undefined) throw notThere('dead letters are of no sensor: leave out the sensor and location');
    return deadLettersLayout(textOnly);
  }
  const shape = query.shape ?? (dataset === 'metrics' ? 'long' : 'wide');
  const isAggregate = dataset === 'hourly' || dataset === 'daily';
  const list = await metricsOf(db, query, shape, ids);
  // Seven figures a metric.
  if (shape === 'wide' && list.length * (isAggregate ? 7 : 1) > MOST_COLUMNS)
    throw new FieldwatchError(
      `export: ${list.length} metrics${isAggregate ? ' with seven figures each' : ''}; expected ${MOST_COLUMNS} columns at most`,
      {
        code: 'EXPORT_TOO_WIDE',
        kind: 'config',
        remedy: `Export one row a ${isAggregate ? 'metric' : 'value'} (\`--long\`), or choose metrics (\`--metric\`).`,
      },
    );
  if (isAggregate) return aggregateLayout(dataset === 'hourly' ? 'hour' : 'day', shape, list);
  return shape === 'long' ? longLayout(list, chosen) : wideLayout(list, chosen);
}

export const metricNamesSql = 'SELECT id, name FROM metrics ORDER BY name';
/** Which narrow metrics there are in a range: one value of each is enough. */
export const metricsInRangeSql = (dataset: Dataset): string => {
  const [table, time] = NARROW_TABLES[dataset] ?? (['sensor_metrics', 'time'] as const);
  return `
SELECT DISTINCT n.metric_id AS id FROM ${table} n
WHERE n.${time} >= $1::timestamptz AND n.${time} < $2::timestamptz AND ($3::int[] IS NULL OR n.sensor_id = ANY ($3))`;
};

const NARROW_TABLES: Readonly<Partial<Record<Dataset, readonly [table: string, time: string]>>> = {
  hourly: ['sensor_metrics_hourly_agg', 'hour'],
  daily: ['sensor_metrics_daily_agg', 'day'],
};

async function metricsOf(
  db: Db,
  { dataset, metrics = [], from, to }: ExportQuery,
  shape: Shape,
  ids: readonly number[] | undefined,
): Promise<readonly ExportMetric[]> {
  const { rows } = await db.query<{ id: number; name: string }>(metricNamesSql, []);
  const core: readonly CoreMetric[] = dataset === 'metrics' ? [] : CORE_METRICS;
  if (metrics.length > 0) {
    const known = new Map<string, ExportMetric>([
      ...rows.map((row) => [row.name, row] as const),
      ...core.map((name) => [name, name] as const),
    ]);
    return [...new Set(metrics)].map((name) => {
      const metric = known.get(name);
      if (metric !== undefined) return metric;
      throw notThere(`no metric has the name ${JSON.stringify(name)}${hint(name, [...known.keys()])}`);
    });
  }
  if (shape === 'long') return [...core, ...rows];
  const present = await db.query<{ id: number }>(metricsInRangeSql(dataset), [from, to, ids ?? null]);
  const there = new Set(present.rows.map(({ id }) => id));
  return [...core, ...rows.filter(({ id }) => there.has(id))];
}

export const sensorsByNameSql = `
SELECT s.id, s.key FROM sensors s
WHERE ($1::text[] IS NULL OR s.key = ANY ($1) OR s.id IN (SELECT a.sensor_id FROM sensor_aliases a WHERE a.key = ANY ($1)))
  AND ($2::text IS NULL OR s.location = $2) ORDER BY s.id`;
const aliasesSql = 'SELECT a.key FROM sensor_aliases a WHERE a.key = ANY ($1::text[])';
const allKeysSql = 'SELECT key FROM sensors ORDER BY key LIMIT 100000';
const locationsSql =
  'SELECT DISTINCT location AS key FROM sensors WHERE location IS NOT NULL ORDER BY 1 LIMIT 100000';

/** The ids of the chosen sensors; undefined: all. */
async function sensorIds(
  db: Db,
  { sensors = [], location }: ExportQuery,
): Promise<readonly number[] | undefined> {
  if (sensors.length === 0 && location === undefined) return undefined;
  const keys = sensors.length === 0 ? null : sensors;
  const byKeys = (own: readonly string[] | null, place: string | null) => async () =>
    (await db.query<{ id: number; key: string }>(sensorsByNameSql, [own, place])).rows;
  const rows =
    keys === null ? await byKeys(null, null)() : await foundUnder(keys, (names) => byKeys(names, null)());
  const aliases =
    keys === null
      ? []
      : await foundUnder(keys, async (names) => (await db.query<{ key: string }>(aliasesSql, [names])).rows);
  const found = new Set([...rows, ...aliases].map(({ key }) => key));
  const unknown = sensors.find((key) => !found.has(key));
  if (unknown !== undefined)
    throw notThere(
      `no sensor is registered under the key ${JSON.stringify(unknown)}${hint(unknown, await list(db, allKeysSql))}`,
    );
  if (location === undefined) return rows.map(({ id }) => id);
  const placed = await foundUnder([location], byKeys(keys, location));
  const known = placed.length > 0 ? [] : await list(db, locationsSql);
  if (placed.length === 0 && !known.includes(location))
    throw notThere(`no sensor has the location ${JSON.stringify(location)}${hint(location, known)}`);
  return placed.map(({ id }) => id);
}

const list = async (db: Db, text: string): Promise<readonly string[]> =>
  (await db.query<{ key: string }>(text, [])).rows.map(({ key }) => key);

const notThere = (message: string) =>
  new FieldwatchError(`export: ${message}`, {
    code: 'EXPORT_UNKNOWN_NAME',
    kind: 'config',
    remedy: '`fieldwatch sensors list` and `fieldwatch metrics list` show the names.',
  });

export const chunkRangesSql = `
SELECT range_start AS "from", range_end AS "to" FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = $1 AND range_end > $2::timestamptz AND range_start < $3::timestamptz`;

/** Where rows can be: without it each month since 1970 would be a statement. */
export async function spansOf(
  db: Db,
  { sources }: Pick<Layout, 'sources'>,
  { from, to }: TimeRange,
): Promise<readonly Span[]> {
  const spans: Span[] = [];
  for (const { table, time, hypertable } of sources) {
    const { rows } = hypertable
      ? await db.query<TimeRange>(chunkRangesSql, [table, from, to])
      : await db.query<TimeRange>(edgesSql(table, time), [from, to]);
    // The edges are the times of rows: the last one is in.
    for (const row of rows)
      if (row.from !== null && row.to !== null)
        spans.push({ fromMs: row.from.getTime(), toMs: row.to.getTime() + (hypertable ? 0 : 1) });
  }
  return mergeSpans(spans, { fromMs: from.getTime(), toMs: to.getTime() });
}

/** First and last time in a range, for tables with an index on the time. */
const edgesSql = (table: string, time: string): string => `
SELECT min(${time}) AS "from", max(${time}) AS "to" FROM ${table} WHERE ${time} >= $1::timestamptz AND ${time} < $2::timestamptz`;

const sensorNamesSql = 'SELECT id, key, location FROM sensors';

async function readNames(db: Db): Promise<Names & { readonly lastSensor: number }> {
  const { rows } = await db.query<{ id: number; key: string; location: string | null }>(sensorNamesSql, []);
  const sensors = new Map(rows.map((row) => [row.id, row]));
  const names = await db.query<{ id: number; name: string }>(metricNamesSql, []);
  const metrics = new Map(names.rows.map(({ id, name }) => [id, name]));
  return {
    sensor: (id) => sensors.get(id)?.key,
    location: (id) => sensors.get(id)?.location,
    metric: (id) => (id < 0 ? coreMetricOf(id) : metrics.get(id)),
    lastSensor: rows.reduce((last, { id }) => Math.max(last, id), 0),
  };
}
