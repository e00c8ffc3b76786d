import { CORE_METRICS } from '../core/reading.ts';
import type { AnomalyRow, GapfillRow, MovingAverageRow, StatisticsRow } from '../queries/statistics.ts';
import type { LatestMetricRow, LatestRow, ReadingRow } from '../queries/readings.ts';
import type { LocationRow } from '../queries/sensors.ts';
import type { Column } from './table.ts';

/** Columns by the names of the fields. */
const fields = <Row>(...names: (keyof Row & string)[]): Column<Row>[] =>
  names.map((name) => ({ title: name, value: (row) => row[name] }));

const WHO = ['sensor', 'location'] as const;

export const READING_COLUMNS = fields<ReadingRow>('time', ...WHO, ...CORE_METRICS);
export const LATEST_COLUMNS = fields<LatestRow>(...WHO, 'time', ...CORE_METRICS);
export const SAMPLE_COLUMNS = fields<LatestMetricRow>('time', ...WHO, 'value');
export const STATISTICS_COLUMNS = fields<StatisticsRow>('bucket', ...WHO, 'avg', 'min', 'max', 'count');
export const GAPFILL_COLUMNS = fields<GapfillRow>('bucket', ...WHO, 'avg', 'locf', 'interpolated');
export const AVERAGE_COLUMNS = fields<MovingAverageRow>('time', ...WHO, 'value', 'average', 'count');
export const ANOMALY_COLUMNS = fields<AnomalyRow>('time', ...WHO, 'value', 'mean', 'sigma', 'z');
export const LOCATION_COLUMNS = fields<LocationRow>(
  'location',
  'sensors',
  'reporting',
  'avg',
  'min',
  'max',
  'count',
  'firing',
);
