import type { CopyColumn } from '../../core/frame/copy-reader.ts';
import type { ColumnType } from '../../core/frame/frame.ts';
import { CORE_METRICS, type CoreMetric } from '../../core/reading.ts';

export const DATASETS = ['readings', 'metrics', 'alerts', 'hourly', 'daily', 'dead-letters'] as const;
export type Dataset = (typeof DATASETS)[number];

/** `wide`: a column a metric. `long`: a row a metric, in the columns `metric` and `value`. */
export const SHAPES = ['wide', 'long'] as const;
export type Shape = (typeof SHAPES)[number];

/**
 * The form in which the server sends rows. `csv` and `binary` are formats of COPY; in `binary` names of sensors and metrics are
 * sent as numbers, which `CopyColumn.lookup` turns back.
 */
export type CopyForm = 'csv' | 'binary';

/** A metric that an export has: one with a column of its own, or one of the narrow table by its id. */
export type ExportMetric = CoreMetric | NarrowMetric;
interface NarrowMetric {
  readonly id: number;
  readonly name: string;
}

/** Names of ids. */
export interface Names {
  readonly sensor: (id: number) => string | null | undefined;
  readonly location: (id: number) => string | null | undefined;
  readonly metric: (id: number) => string | null | undefined;
}

/** Parameters of a statement. Numbers only: no text of a caller becomes SQL. */
export interface StatementParts {
  /** `r.time >= '…' AND r.time < '…'` and the like, for the alias of a table and its column of time. */
  readonly where: (alias: string, time: string) => string;
  readonly form: CopyForm;
}

/** A table of rows that can be exported, for one choice of shape and metrics. */
export interface Layout {
  readonly columns: (names: Names) => readonly CopyColumn[];
  readonly select: (parts: StatementParts) => string;
  /** The tables that hold the rows, with their columns of time. */
  readonly sources: readonly {
    readonly table: string;
    readonly time: string;
    readonly hypertable: boolean;
  }[];
  /** False where the rows are not of a sensor. Default true. */
  readonly ofSensors?: boolean;
}

export const READINGS = { table: 'sensor_readings', time: 'time', hypertable: true } as const;
export const METRICS = { table: 'sensor_metrics', time: 'time', hypertable: true } as const;

const isCore = (metric: ExportMetric): metric is CoreMetric => typeof metric === 'string';
const narrowOf = (metrics: readonly ExportMetric[]): readonly NarrowMetric[] =>
  metrics.filter((metric) => typeof metric !== 'string');
const typeOf = (metric: ExportMetric): ColumnType => (metric === 'rssi' ? 'int32' : 'double');
export const nameOf = (metric: ExportMetric): string => (isCore(metric) ? metric : metric.name);

const whoColumns = ({ sensor, location }: Names): readonly CopyColumn[] => [
  { name: 'sensor', type: 'text', lookup: sensor },
  { name: 'location', type: 'text', lookup: location },
];
const TIME = { name: 'time', type: 'timestamp', nullable: false } as const;

/** The sensor of a row, with the join that its names need. */
const who = (form: CopyForm, id: string): string => (form === 'csv' ? 's.key, s.location' : `${id}, ${id}`);
const join = (form: CopyForm, id: string): string =>
  form === 'csv' ? ` LEFT JOIN sensors s ON s.id = ${id}` : '';

/** Readings with a column a metric. `chosen`: only rows that have one of these metrics. */
export function wideLayout(metrics: readonly ExportMetric[], chosen: boolean): Layout {
  const core = metrics.filter(isCore);
  const narrow = narrowOf(metrics);
  return {
    columns: (names) => [
      TIME,
      ...whoColumns(names),
      ...metrics.map((metric) => ({ name: nameOf(metric), type: typeOf(metric) })),
    ],
    select: (parts) => wideSelect(metrics, core, narrow, { ...parts, chosen }),
    sources: [...(core.length > 0 ? [READINGS] : []), ...(narrow.length > 0 ? [METRICS] : [])],
  };
}

function wideSelect(
  metrics: readonly ExportMetric[],
  core: readonly CoreMetric[],
  narrow: readonly NarrowMetric[],
  { where, form, chosen }: StatementParts & { readonly chosen: boolean },
): string {
  const any =
    chosen && core.length > 0 ? ` AND (${core.map((name) => `r.${name} IS NOT NULL`).join(' OR ')})` : '';
  const wide = `SELECT r.time, r.sensor_id, ${core.map((name) => `r.${name}`).join(', ')} FROM sensor_readings r WHERE ${where('r', 'time')}${any}`;
  const values = narrow.map(({ id }) => `max(n.value) FILTER (WHERE n.metric_id = ${id}) AS m${id}`);
  const pivot = `SELECT n.time, n.sensor_id, ${values.join(', ')} FROM sensor_metrics n
    WHERE ${where('n', 'time')} AND n.metric_id IN (${narrow.map(({ id }) => id).join(', ')}) GROUP BY n.time, n.sensor_id`;
  const rows =
    narrow.length === 0
      ? `(${wide}) x`
      : core.length === 0
        ? `(${pivot}) x`
        : `(SELECT * FROM (${wide}) w FULL JOIN (${pivot}) p USING (time, sensor_id)) x`;
  const columns = metrics.map((metric) => (isCore(metric) ? `x.${metric}` : `x.m${metric.id}`));
  return `SELECT x.time, ${who(form, 'x.sensor_id')}, ${columns.join(', ')} FROM ${rows}${join(form, 'x.sensor_id')} ORDER BY x.time, x.sensor_id`;
}

/** How a metric with a column of its own is numbered among the ids of the others. */
const coreId = (name: CoreMetric): number => -1 - CORE_METRICS.indexOf(name);
export const coreMetricOf = (id: number): CoreMetric | undefined => CORE_METRICS[-1 - id];

const metricName = (form: CopyForm, id: string): string => {
  if (form === 'binary') return id;
  const core = CORE_METRICS.map((name) => `WHEN ${coreId(name)} THEN '${name}'`).join(' ');
  return `CASE ${id} ${core} ELSE (SELECT m.name FROM metrics m WHERE m.id = ${id}) END`;
};

/** One row a value. */
export function longLayout(metrics: readonly ExportMetric[], chosen: boolean): Layout {
  const core = metrics.filter(isCore);
  const narrow = narrowOf(metrics);
  // A name that is registered while the export runs is for a later one.
  const last = narrow.reduce((most, { id }) => Math.max(most, id), 0);
  const ids = chosen ? `IN (${narrow.map(({ id }) => id).join(', ')})` : `<= ${last}`;
  const values = core.map((name) => `(${coreId(name)}, r.${name}::float8)`).join(', ');
  return {
    columns: (names) => [
      TIME,
      ...whoColumns(names),
      { name: 'metric', type: 'text', lookup: names.metric },
      { name: 'value', type: 'double', nullable: false },
    ],
    select: ({ where, form }) => {
      const wide = `SELECT r.time, r.sensor_id, v.metric_id, v.value FROM sensor_readings r
        CROSS JOIN LATERAL (VALUES ${values}) v (metric_id, value) WHERE ${where('r', 'time')} AND v.value IS NOT NULL`;
      const rest = `SELECT n.time, n.sensor_id, n.metric_id, n.value FROM sensor_metrics n WHERE ${where('n', 'time')} AND n.metric_id ${ids}`;
      const parts = [...(core.length > 0 ? [wide] : []), ...(narrow.length > 0 ? [rest] : [])];
      return `SELECT x.time, ${who(form, 'x.sensor_id')}, ${metricName(form, 'x.metric_id')}, x.value
        FROM (${parts.join(' UNION ALL ')}) x${join(form, 'x.sensor_id')} ORDER BY x.time, x.sensor_id, x.metric_id`;
    },
    sources: [...(core.length > 0 ? [READINGS] : []), ...(narrow.length > 0 ? [METRICS] : [])],
  };
}

/** As the aggregates name the figures of a metric: `avg_temp`. */
const AGGREGATED: Readonly<Record<CoreMetric, { suffix: string; kinds: readonly string[] }>> = {
  temperature: { suffix: 'temp', kinds: ['avg', 'min', 'max', 'sum', 'count'] },
  humidity: { suffix: 'humidity', kinds: ['avg', 'min', 'max', 'sum', 'count'] },
  pressure: { suffix: 'pressure', kinds: ['avg', 'min', 'max', 'sum', 'count'] },
  battery: { suffix: 'battery', kinds: ['avg', 'min', 'max', 'sum', 'count', 'last'] },
  rssi: { suffix: 'rssi', kinds: ['avg', 'sum', 'count'] },
};
const FIGURES = ['avg', 'min', 'max', 'sum', 'count'] as const;
const NARROW_FIGURES = [...FIGURES, 'first', 'last'] as const;
const figureType = (kind: string): ColumnType => (kind === 'count' ? 'int64' : 'double');

/** The two aggregates of an hour or a day: of metrics with a column of their own, and of the others. */
const AGGREGATES = {
  hour: { wide: 'sensor_hourly_agg', narrow: 'sensor_metrics_hourly_agg' },
  day: { wide: 'sensor_daily_agg', narrow: 'sensor_metrics_daily_agg' },
} as const;

interface AggregateParts {
  readonly bucket: 'hour' | 'day';
  readonly core: readonly CoreMetric[];
  readonly narrow: readonly NarrowMetric[];
}

/** The hourly or daily aggregates, as far as they are refreshed. */
export function aggregateLayout(
  bucket: 'hour' | 'day',
  shape: Shape,
  metrics: readonly ExportMetric[],
): Layout {
  const parts = { bucket, core: metrics.filter(isCore), narrow: narrowOf(metrics) };
  const { wide, narrow } = AGGREGATES[bucket];
  const sources = [
    ...(parts.core.length > 0 ? [{ table: wide, time: bucket, hypertable: false }] : []),
    ...(parts.narrow.length > 0 ? [{ table: narrow, time: bucket, hypertable: false }] : []),
  ];
  return { ...(shape === 'wide' ? wideAggregate(parts) : longAggregate(parts)), sources };
}

/** A row a sensor and bucket, with the figures of each metric as columns: `avg_temp`, `max_co2`. */
function wideAggregate({ bucket, core, narrow }: AggregateParts): Omit<Layout, 'sources'> {
  const coreFigures = core.flatMap((metric) =>
    AGGREGATED[metric].kinds.map((kind) => ({ name: `${kind}_${AGGREGATED[metric].suffix}`, kind })),
  );
  const taken = new Set(coreFigures.map(({ name }) => name));
  const narrowFigures = narrow.flatMap(({ id, name }) => {
    // A metric `temp` in addition to `temperature`.
    const suffix = FIGURES.some((kind) => taken.has(`${kind}_${name}`)) ? `${name}_metric` : name;
    return NARROW_FIGURES.map((kind) => ({
      ...{ id, kind, name: `${kind}_${suffix}`, column: `${kind}_${id}` },
    }));
  });
  // Figures of all readings of the bucket: only where a metric with a column is exported.
  const ofReadings = core.length > 0 ? ['readings', 'last_time'] : [];
  return {
    columns: (names) => [
      { name: bucket, type: 'timestamp', nullable: false },
      ...whoColumns(names),
      ...[...coreFigures, ...narrowFigures].map(({ name, kind }) => ({ name, type: figureType(kind) })),
      ...(core.length > 0
        ? [
            { name: 'readings', type: 'int64' as const },
            { name: 'last_time', type: 'timestamp' as const },
          ]
        : []),
    ],
    select: ({ where, form }) => {
      const values = [
        ...coreFigures.map(({ name }) => `x.${name}`),
        ...narrowFigures.map(({ column }) => `x.${column}`),
        ...ofReadings.map((name) => `x.${name}`),
      ];
      const wide = `SELECT a.${bucket}, a.sensor_id, ${[...coreFigures.map(({ name }) => name), ...ofReadings].map((name) => `a.${name}`).join(', ')}
        FROM ${AGGREGATES[bucket].wide} a WHERE ${where('a', bucket)}`;
      const figures = narrowFigures.map(
        ({ id, kind, column }) => `max(n.${kind}_value) FILTER (WHERE n.metric_id = ${id}) AS ${column}`,
      );
      const pivot = `SELECT n.${bucket}, n.sensor_id, ${figures.join(', ')} FROM ${AGGREGATES[bucket].narrow} n
        WHERE ${where('n', bucket)} AND n.metric_id IN (${narrow.map(({ id }) => id).join(', ')}) GROUP BY n.${bucket}, n.sensor_id`;
      const rows =
        narrow.length === 0
          ? `(${wide}) x`
          : core.length === 0
            ? `(${pivot}) x`
            : `(SELECT * FROM (${wide}) w FULL JOIN (${pivot}) p USING (${bucket}, sensor_id)) x`;
      return `SELECT x.${bucket}, ${who(form, 'x.sensor_id')}, ${values.join(', ')}
        FROM ${rows}${join(form, 'x.sensor_id')} ORDER BY x.${bucket}, x.sensor_id`;
    },
  };
}

/** A row a metric. */
function longAggregate({ bucket, core, narrow }: AggregateParts): Omit<Layout, 'sources'> {
  const rowOf = (metric: CoreMetric): string => {
    const { suffix, kinds } = AGGREGATED[metric];
    const figure = (kind: string) => (kinds.includes(kind) ? `a.${kind}_${suffix}` : 'NULL::float8');
    return `(${coreId(metric)}, ${FIGURES.map(figure).join(', ')})`;
  };
  return {
    columns: (names) => [
      { name: bucket, type: 'timestamp', nullable: false },
      ...whoColumns(names),
      { name: 'metric', type: 'text', lookup: names.metric },
      ...FIGURES.map((kind) => ({ name: kind, type: figureType(kind) })),
    ],
    select: ({ where, form }) => {
      const wide = `SELECT a.${bucket}, a.sensor_id, v.metric_id, ${FIGURES.map((kind) => `v.${kind}`).join(', ')}
        FROM ${AGGREGATES[bucket].wide} a CROSS JOIN LATERAL (VALUES ${core.map(rowOf).join(', ')}) v (metric_id, ${FIGURES.join(', ')})
        WHERE ${where('a', bucket)} AND v.count > 0`;
      const rest = `SELECT n.${bucket}, n.sensor_id, n.metric_id, ${FIGURES.map((kind) => `n.${kind}_value`).join(', ')}
        FROM ${AGGREGATES[bucket].narrow} n WHERE ${where('n', bucket)} AND n.metric_id IN (${narrow.map(({ id }) => id).join(', ')})`;
      const parts = [...(core.length > 0 ? [wide] : []), ...(narrow.length > 0 ? [rest] : [])];
      // Metrics with a column of their own first, in their order.
      return `SELECT x.${bucket}, ${who(form, 'x.sensor_id')}, ${metricName(form, 'x.metric_id')}, ${FIGURES.map((kind) => `x.${kind}`).join(', ')}
        FROM (${parts.join(' UNION ALL ')}) x (${bucket}, sensor_id, metric_id, ${FIGURES.join(', ')})${join(form, 'x.sensor_id')}
        ORDER BY x.${bucket}, x.sensor_id, x.metric_id > 0, abs(x.metric_id)`;
    },
  };
}

const ALERT_COLUMNS = [
  ['alert_type', 'text', 'a.alert_type'],
  ['severity', 'text', 'a.severity'],
  ['message', 'text', 'a.message'],
  ['value', 'double', 'a.value'],
  ['threshold', 'double', 'a.threshold'],
  ['metric', 'text', 'a.metric'],
  ['kind', 'text', 'a.kind'],
  ['side', 'text', 'a.side'],
  ['alert_id', 'text', 'a.alert_id::text'],
  ['started_at', 'timestamp', 'a.started_at'],
  ['resolved_at', 'timestamp', 'a.resolved_at'],
  ['resolved_value', 'double', 'a.resolved_value'],
  ['resolve_reason', 'text', 'a.resolve_reason'],
  ['peak_value', 'double', 'a.peak_value'],
  ['acked_at', 'timestamp', 'a.acked_at'],
  ['acked_by', 'text', 'a.acked_by'],
  ['suppressed', 'text', 'a.suppressed'],
  ['flapping', 'boolean', 'a.flapping'],
  ['backfilled', 'boolean', 'a.backfilled'],
  ['rule_hash', 'text', 'a.rule_hash'],
] as const;

export const alertsLayout: Layout = {
  columns: (names) => [
    TIME,
    ...whoColumns(names),
    ...ALERT_COLUMNS.map(([name, type]): CopyColumn => ({ name, type })),
  ],
  select: ({ where, form }) =>
    `SELECT a.time, ${who(form, 'a.sensor_id')}, ${ALERT_COLUMNS.map(([, , text]) => text).join(', ')}
      FROM sensor_alerts a${join(form, 'a.sensor_id')} WHERE ${where('a', 'time')} ORDER BY a.time, a.sensor_id, a.alert_type`,
  sources: [{ table: 'sensor_alerts', time: 'time', hypertable: false }],
};

/** The payload is hexadecimal in CSV (`payload_hex`), and bytes elsewhere. */
export const deadLettersLayout = (text: boolean): Layout => ({
  columns: () => [
    { name: 'received_at', type: 'timestamp', nullable: false },
    { name: 'id', type: 'text', nullable: false },
    { name: 'topic', type: 'text', nullable: false },
    { name: 'reason', type: 'text', nullable: false },
    { name: 'detail', type: 'text' },
    text
      ? { name: 'payload_hex', type: 'text', nullable: false }
      : { name: 'payload', type: 'binary', nullable: false },
    { name: 'payload_bytes', type: 'int32', nullable: false },
    { name: 'payload_sha256', type: 'text' },
    { name: 'requeued_at', type: 'timestamp' },
  ],
  select: ({ where }) => `SELECT d.received_at, d.id::text, d.topic, d.reason, d.detail,
      ${text ? "encode(d.payload, 'hex')" : 'd.payload'}, coalesce(d.payload_bytes, octet_length(d.payload)),
      encode(d.payload_sha256, 'hex'), d.requeued_at
    FROM dead_letters d WHERE ${where('d', 'received_at')} ORDER BY d.received_at, d.id`,
  sources: [{ table: 'dead_letters', time: 'received_at', hypertable: false }],
  ofSensors: false,
});
