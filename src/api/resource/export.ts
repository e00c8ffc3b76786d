import { inertCsvHeader, inertCsvOf } from '../../core/frame/csv.ts';
import type { Frame, FrameColumn } from '../../core/frame/frame.ts';
import { type StatedUnit, metricUnit } from '../../core/metric-unit.ts';
import type * as z from '../../core/schema/zod.ts';
import { sensorColumns, sensorFrames } from '../../queries/export/sensor-frames.ts';
import type { SeriesColumns } from '../../queries/series.ts';
import { Refusal } from '../access/refusal.ts';
import { type ExportFormat, exportQuery } from '../contract/export.ts';
import { keyParams } from '../contract/fields.ts';
import type { ApiDeps } from '../deps.ts';
import { streamed } from './answer.ts';
import { rangeOf } from './paging.ts';
import { newestMetrics, requestedSeries } from './readings.ts';
import { resource } from './resource.ts';
import { sensorOf } from './sensor-lookup.ts';

const TYPES: Readonly<Record<ExportFormat, string>> = {
  csv: 'text/csv; charset=utf-8',
  parquet: 'application/vnd.apache.parquet',
};
const RETRY_S = 10;

export const exportReadings = resource({
  id: 'exportReadings',
  method: 'GET',
  path: '/sensors/:key/export',
  tag: 'sensors',
  summary: 'Readings of a sensor as a file: CSV or Parquet',
  description:
    'Every reading of the range as it is stored, or the buckets that `readings` answers. Sent while it is read; four at a time, two of one token or address. In CSV no text is a formula of a spreadsheet.',
  role: 'viewer',
  contentTypes: Object.values(TYPES),
  params: keyParams,
  query: exportQuery,
  faults: ['SENSOR_UNKNOWN', 'QUERY_TOO_LARGE', 'API_TOO_MANY'],
  async handle({ params, query, signal, visit }, deps) {
    const release = deps.exports.take(visit);
    if (release === undefined) throw Refusal.tooMany(RETRY_S);
    signal.addEventListener('abort', release, { once: true });
    try {
      const { name, columns, frames } = await requested(params.key, query, deps);
      const pieces = encoded(columns, frames, query.format, deps);
      // What is refused is a problem, and not a file that is cut short.
      const first = await pieces.next();
      return streamed(TYPES[query.format], resumed(first, pieces, release), {
        'content-disposition': `attachment; filename="${name}.${query.format}"`,
      });
    } catch (error) {
      release();
      throw error;
    }
  },
});

interface Requested {
  /** Name of the file, without its extension. */
  readonly name: string;
  readonly columns: readonly FrameColumn[];
  readonly frames: AsyncIterable<Frame>;
}

type Query = z.output<typeof exportQuery>;

async function requested(key: string, query: Query, deps: ApiDeps): Promise<Requested> {
  if (query.rows === 'buckets') {
    const { head, columns } = await requestedSeries(key, query, deps);
    return {
      name: nameOf(head.sensor, new Date(head.from), new Date(head.to)),
      ...{
        columns: BUCKET_COLUMNS,
        frames: bucketFrames(head.sensor, head.stepS, columns, deps.daemon.unitOf),
      },
    };
  }
  const { db, clock } = deps;
  const nowMs = clock.nowMs();
  const { from, to } = rangeOf(query, nowMs, 0);
  const sensor = await sensorOf(key, deps);
  const metrics = [...new Set(query.metric ?? (await newestMetrics(db, sensor, nowMs)))];
  return {
    name: nameOf(sensor.key, from, to),
    columns: sensorColumns(metrics),
    frames: sensorFrames(db, { from, to, sensor, metrics }),
  };
}

const nameOf = (sensor: string, from: Date, to: Date): string => {
  const minute = (time: Date) => time.toISOString().slice(0, 16).replace(':', '');
  return `${sensor.replace(/[^\w-]+/g, '_').slice(0, 80)}_${minute(from)}Z_${minute(to)}Z`;
};

const BUCKET_COLUMNS: readonly FrameColumn[] = [
  { name: 'time', type: 'timestamp', nullable: false },
  { name: 'sensor', type: 'text', nullable: false },
  { name: 'metric', type: 'text', nullable: false },
  { name: 'unit', type: 'text' },
  ...['mean', 'min', 'max', 'step_s'].map((name) => ({ name, type: 'double' as const, nullable: false })),
];

async function* bucketFrames(
  sensor: string,
  stepS: number,
  series: AsyncIterable<SeriesColumns>,
  stated: StatedUnit,
): AsyncGenerator<Frame> {
  for await (const { metric, time, mean, min, max } of series) {
    const most = max.reduce((so, value) => Math.max(so, Math.abs(value)), 0);
    const unit = metricUnit(metric, most, stated) ?? null;
    const all = <T>(value: T): readonly T[] => time.map(() => value);
    const texts = [all(sensor), all(metric), all(unit)];
    yield {
      columns: BUCKET_COLUMNS,
      rows: time.length,
      data: [
        { values: BigInt64Array.from(time, (ms) => BigInt(Math.round(ms * 1000))), nulls: undefined },
        ...texts.map((values) => ({
          values,
          nulls: values.includes(null) ? new Uint8Array(time.length).fill(1) : undefined,
        })),
        ...[mean, min, max, all(stepS)].map((values) => ({
          values: Float64Array.from(values),
          nulls: undefined,
        })),
      ],
    };
  }
}

async function* encoded(
  columns: readonly FrameColumn[],
  frames: AsyncIterable<Frame>,
  format: ExportFormat,
  { frames: open }: ApiDeps,
): AsyncGenerator<string | Uint8Array> {
  if (format === 'csv') {
    // With the first rows: what is refused is known by then.
    let head = inertCsvHeader(columns.map(({ name }) => name));
    for await (const frame of frames) {
      yield head + inertCsvOf(frame);
      head = '';
    }
    if (head !== '') yield head;
    return;
  }
  const ready: Uint8Array[] = [];
  const writer = await open(columns, format, async (bytes) => void ready.push(bytes));
  for await (const frame of frames) {
    await writer.write(frame);
    yield* ready.splice(0);
  }
  await writer.finish();
  yield* ready.splice(0);
}

type Piece = string | Uint8Array;

/** A generator whose first result was taken already; `release` is called when it ends, or is left. */
function resumed(
  first: IteratorResult<Piece>,
  rest: AsyncGenerator<Piece>,
  release: () => void,
): AsyncIterable<Piece> {
  let waiting: IteratorResult<Piece> | undefined = first;
  const iterator: AsyncIterator<Piece> = {
    next: async () => {
      const result = waiting ?? (await rest.next().catch(failed));
      waiting = undefined;
      if (result.done === true) release();
      return result;
    },
    return: async () => {
      release();
      return rest.return(undefined);
    },
  };
  const failed = (error: unknown): never => {
    release();
    throw error;
  };
  return { [Symbol.asyncIterator]: () => iterator };
}
