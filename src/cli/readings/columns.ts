import { metricUnit } from '../../core/metric-unit.ts';
import { CORE_METRICS } from '../../core/reading.ts';
import type { LatestRow } from '../../queries/latest-readings.ts';
import type { CounterUse } from '../../queries/rows.ts';
import type { GapfillRow } from '../../queries/gapfill.ts';
import type { LatestMetricRow, ReadingRow } from '../../queries/readings.ts';
import type { LocationRow } from '../../queries/sensors.ts';
import type { AnomalyRow, MovingAverageRow, StatisticsRow } from '../../queries/statistics.ts';
import type { Column } from '../output/table.ts';

/** Columns by the names of the fields. */
const fields = <Row>(...names: (keyof Row & string)[]): Column<Row>[] =>
  names.map((name) => ({ title: name, value: (row) => row[name] }));

const WHO = ['sensor', 'location'] as const;

type Values = Readonly<Record<string, number | null>>;

/**
 * A column a metric: in a table those that any row has, with their units; in CSV, which programs read, also every one with a column of
 * its own, without units.
 */
function metricColumns<Row>(
  rows: readonly Row[],
  valuesOf: (row: Row) => Values,
  forPrograms: boolean,
): Column<Row>[] {
  const found = new Set<string>(forPrograms ? CORE_METRICS : []);
  for (const row of rows)
    for (const [name, value] of Object.entries(valuesOf(row))) if (value !== null) found.add(name);
  const isCore = (name: string) => (CORE_METRICS as readonly string[]).includes(name);
  const names = [
    ...CORE_METRICS.filter((name) => found.has(name)),
    ...[...found].filter((name) => !isCore(name)).sort(),
  ];
  const largest = (name: string) => Math.max(0, ...rows.map((row) => Math.abs(valuesOf(row)[name] ?? 0)));
  return names.map((name) => {
    const unit = forPrograms ? undefined : metricUnit(name, largest(name));
    return { title: unit === undefined ? name : `${name} ${unit}`, value: (row: Row) => valuesOf(row)[name] };
  });
}

/** The values of a reading by metric. */
export function valuesOf(row: ReadingRow): Values {
  const core = CORE_METRICS.map((name) => [name, row[name]] as const);
  return Object.fromEntries([...core, ...Object.entries(row.further ?? {})]);
}

export const readingColumns = (
  rows: readonly ReadingRow[],
  forPrograms: boolean,
): readonly Column<ReadingRow>[] => [
  ...fields<ReadingRow>('time', ...WHO),
  ...metricColumns(rows, valuesOf, forPrograms),
];

/** For programs: the five metrics with a column of their own, and all there are in `metrics`. */
export const readingJson = ({ further: _, ...row }: ReadingRow): object => {
  const values = valuesOf({ ...row, further: _ });
  return {
    ...row,
    metrics: Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null)),
  };
};

const latestOf = ({ metrics }: LatestRow): Values =>
  Object.fromEntries(metrics.map(({ metric, value }) => [metric, value]));

export const latestColumns = (
  rows: readonly LatestRow[],
  forPrograms: boolean,
): readonly Column<LatestRow>[] => [
  ...fields<LatestRow>(...WHO, 'time'),
  ...metricColumns(rows, latestOf, forPrograms),
];

export const latestJson = (row: LatestRow): object => {
  const { time, sensor, location, metrics } = row;
  const core = Object.fromEntries(CORE_METRICS.map((name) => [name, latestOf(row)[name] ?? null]));
  return { time, sensor, location, ...core, metrics };
};

export const SAMPLE_COLUMNS = fields<LatestMetricRow>('time', ...WHO, 'value', 'unit');
export const STATISTICS_COLUMNS = fields<StatisticsRow>('bucket', ...WHO, 'avg', 'min', 'max', 'count');
export const USE_COLUMNS = fields<CounterUse>('bucket', ...WHO, 'use', 'rate', 'resets', 'overflows', 'last');
export const GAPFILL_COLUMNS = fields<GapfillRow>('bucket', ...WHO, 'avg', 'locf', 'interpolated');
export const AVERAGE_COLUMNS = fields<MovingAverageRow>('time', ...WHO, 'value', 'average', 'count');
export const ANOMALY_COLUMNS = fields<AnomalyRow>('time', ...WHO, 'value', 'mean', 'sigma', 'z');
export const LOCATION_COLUMNS = fields<LocationRow>(
  ...([
    'location',
    'sensors',
    'reporting',
    'avg',
    'stddev',
    'min',
    'median',
    'p95',
    'max',
    'count',
    'firing',
  ] as const),
);
