import type { ColumnData, ColumnType, Frame, FrameColumn } from '../../core/frame/frame.ts';
import { isCoreMetric } from '../../core/reading.ts';
import type { Db, TimeRange } from '../db.ts';
import { type StoredReading, readingsInOrder } from '../readings-in-order.ts';
import { METRICS, READINGS } from './dataset.ts';
import { spansOf } from './plan.ts';

/** Rows of a query and of a frame: what the event loop and a database of one session can do in addition to their other work. */
const ROWS = 15_000;

export interface SensorExport extends TimeRange {
  readonly sensor: { readonly id: number; readonly key: string; readonly location: string | null };
  /** Names; a reading that has none of them is left out. */
  readonly metrics: readonly string[];
}

/** The columns of `sensorFrames`: those of `fieldwatch export readings`. */
export const sensorColumns = (metrics: readonly string[]): readonly FrameColumn[] => [
  { name: 'time', type: 'timestamp', nullable: false },
  { name: 'sensor', type: 'text' },
  { name: 'location', type: 'text' },
  ...metrics.map((name) => ({ name, type: typeOf(name) })),
];

const typeOf = (metric: string): ColumnType =>
  metric === 'rssi' && isCoreMetric(metric) ? 'int32' : 'double';

/**
 * The readings of one sensor as they are stored, oldest first, by queries that are bounded in time and rows: for a pool whose
 * connections others wait for. `fieldwatch export` has one of its own, and reads by COPY.
 */
export async function* sensorFrames(
  db: Db,
  { from, to, sensor, metrics }: SensorExport,
): AsyncGenerator<Frame> {
  const columns = sensorColumns(metrics);
  // A range may be centuries, most of them without a chunk.
  for (const { fromMs, toMs } of await spansOf(db, { sources: [READINGS, METRICS] }, { from, to })) {
    const query = { from: new Date(fromMs), to: new Date(toMs), sensorIds: [sensor.id], rowsPerQuery: ROWS };
    for await (const rows of readingsInOrder(db, query)) {
      const chosen = rows.filter((row) => metrics.some((metric) => row.metrics.has(metric)));
      if (chosen.length > 0) yield frameOf(chosen, columns, sensor);
    }
  }
}

function frameOf(
  rows: readonly StoredReading[],
  columns: readonly FrameColumn[],
  { key, location }: SensorExport['sensor'],
): Frame {
  const times = BigInt64Array.from(rows, ({ timeUs }) => BigInt(timeUs));
  const metrics = columns.slice(3).map(({ name, type }) => valuesOf(rows, name, type));
  return {
    columns,
    rows: rows.length,
    data: [
      { values: times, nulls: undefined },
      { values: rows.map(() => key), nulls: undefined },
      {
        values: rows.map(() => location),
        nulls: location === null ? new Uint8Array(rows.length).fill(1) : undefined,
      },
      ...metrics,
    ],
  };
}

function valuesOf(rows: readonly StoredReading[], metric: string, type: ColumnType): ColumnData {
  const values = type === 'int32' ? new Int32Array(rows.length) : new Float64Array(rows.length);
  const nulls = new Uint8Array(rows.length);
  rows.forEach((row, index) => {
    const value = row.metrics.get(metric);
    if (value === undefined) nulls[index] = 1;
    else values[index] = value;
  });
  return { values, nulls: nulls.includes(1) ? nulls : undefined };
}
