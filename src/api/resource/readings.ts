import { withoutNoise } from '../../core/format-number.ts';
import type * as z from '../../core/schema/zod.ts';
import { type StatedUnit, metricUnit } from '../../core/metric-unit.ts';
import type { Db } from '../../queries/db.ts';
import { latestValues } from '../../queries/latest-values.ts';
import { type SeriesColumns, chooseSeries } from '../../queries/series.ts';
import { keyParams } from '../contract/fields.ts';
import { type MetricColumns, type Readings, readingsQuery, readingsSchema } from '../contract/readings.ts';
import type { ApiDeps } from '../deps.ts';
import { streamed } from './answer.ts';
import { rangeOf } from './paging.ts';
import { resource } from './resource.ts';
import { sensorOf } from './sensor-lookup.ts';

const DEFAULT_POINTS = 500;
const MOST_METRICS = 20;
/** More buckets in one answer are sent metric by metric, as they are read; without an entity tag. */
const STREAMED_ABOVE = 10_000;

export const readings = resource({
  id: 'readings',
  method: 'GET',
  path: '/sensors/:key/readings',
  tag: 'sensors',
  summary: 'Readings of a sensor over a range, in buckets',
  description:
    'Readings where they are kept and the step is below an hour, otherwise the figures of hours or days. Where no more readings than points are in the range, each as it was measured (stepS 0).',
  role: 'viewer',
  shared: true,
  params: keyParams,
  query: readingsQuery,
  answer: readingsSchema,
  faults: ['SENSOR_UNKNOWN', 'QUERY_TOO_LARGE'],
  async handle({ params, query }, deps) {
    const { head, buckets, columns } = await requestedSeries(params.key, query, deps);
    const { unitOf } = deps.daemon;
    if (buckets > STREAMED_ABOVE)
      return streamed('application/json; charset=utf-8', piecesOf(head, written(columns, unitOf)));
    const found: MetricColumns[] = [];
    for await (const column of written(columns, unitOf)) found.push(column);
    return { ...head, metrics: found };
  },
});

export interface RequestedSeries {
  readonly head: Omit<Readings, 'metrics'>;
  /** As many as there can be, of all metrics; 0: each reading as it was measured. */
  readonly buckets: number;
  /** Only metrics that have a value. */
  readonly columns: AsyncGenerator<SeriesColumns>;
}

/** The series that a request for a sensor asks for: buckets, or each reading where there are few. */
export async function requestedSeries(
  key: string,
  query: z.output<typeof readingsQuery>,
  deps: ApiDeps,
): Promise<RequestedSeries> {
  const { db, clock, daemon } = deps;
  const nowMs = clock.nowMs();
  const { from, to } = rangeOf(query, nowMs, 0);
  const sensor = await sensorOf(key, deps);
  const points = query.points ?? DEFAULT_POINTS;
  const stepMs = query.step === undefined ? undefined : Math.max(1, Math.round(query.step * 1000));
  const range = { fromMs: from.getTime(), toMs: to.getTime(), stepMs, points };
  const metrics = [...new Set(query.metric ?? (await newestMetrics(db, sensor, nowMs)))];
  const { plan, columns } = await chooseSeries(db, sensor.id, metrics, {
    ...{ range, nowMs, retention: daemon.retention() },
  });
  return {
    head: {
      sensor: sensor.key,
      from: new Date(plan.fromMs).toISOString(),
      to: to.toISOString(),
      stepS: plan.stepMs / 1000,
      source: plan.source,
    },
    buckets: plan.stepMs === 0 ? 0 : (metrics.length * (plan.toMs - plan.fromMs)) / plan.stepMs,
    columns,
  };
}

/** Metrics of the sensor's newest readings. */
export async function newestMetrics(
  db: Db,
  sensor: { readonly id: number; readonly lastSeenMs: number | undefined },
  nowMs: number,
): Promise<readonly string[]> {
  const seen = { id: sensor.id, lastSeenMs: sensor.lastSeenMs ?? nowMs };
  const latest = (await latestValues(db, [seen], { nowMs, most: MOST_METRICS })).get(sensor.id) ?? [];
  return latest.map(({ metric }) => metric).slice(0, MOST_METRICS);
}

async function* written(
  columns: AsyncIterable<SeriesColumns>,
  stated: StatedUnit,
): AsyncGenerator<MetricColumns> {
  for await (const series of columns) yield writtenColumns(series, stated);
}

function writtenColumns({ metric, time, mean, min, max }: SeriesColumns, stated: StatedUnit): MetricColumns {
  const most = max.reduce((so, value) => Math.max(so, Math.abs(value)), 0);
  return {
    metric,
    unit: metricUnit(metric, most, stated) ?? null,
    time: time.map((ms) => Math.round(ms)),
    mean: mean.map(withoutNoise),
    min: min.map(withoutNoise),
    max: max.map(withoutNoise),
  };
}

async function* piecesOf(head: object, columns: AsyncIterable<MetricColumns>): AsyncGenerator<string> {
  yield `${JSON.stringify(head).slice(0, -1)},"metrics":[`;
  let separator = '';
  for await (const column of columns) {
    yield separator + JSON.stringify(column);
    separator = ',';
  }
  yield ']}\n';
}
