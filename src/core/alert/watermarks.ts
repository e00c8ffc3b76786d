import type { Micros } from '../reading.ts';
import type { Series } from './series.ts';

/**
 * The last evaluated event of some series, in columns: what they are compared with next, and up to where readings that come
 * again are late.
 */
export interface Watermarks {
  /** The names that `metricAt` points to. */
  readonly metrics: readonly string[];
  readonly sensorIds: Int32Array;
  readonly metricAt: Uint32Array | Uint16Array;
  readonly timesUs: Float64Array;
  readonly values: Float64Array;
}

/** One of them. */
export interface Watermark {
  readonly sensorId: number;
  readonly metric: string;
  readonly timeUs: Micros;
  readonly value: number;
}

export const NO_WATERMARKS: Watermarks = watermarksOf([]);

export function watermarksOf(all: readonly Watermark[]): Watermarks {
  const places = new Map<string, number>();
  for (const { metric } of all) if (!places.has(metric)) places.set(metric, places.size);
  return {
    metrics: [...places.keys()],
    sensorIds: Int32Array.from(all, ({ sensorId }) => sensorId),
    metricAt: Uint32Array.from(all, ({ metric }) => places.get(metric) ?? 0),
    timesUs: Float64Array.from(all, ({ timeUs }) => timeUs),
    values: Float64Array.from(all, ({ value }) => value),
  };
}

/** Of the series that the generation in hand has evaluated something of. */
export const watermarksOfSeries = (touched: readonly Series[]): Watermarks =>
  watermarksOf(
    touched.flatMap(({ sensorId, metric, last, lastChanged }) =>
      lastChanged && last !== undefined ? [{ sensorId, metric, ...last }] : [],
    ),
  );

export function* eachWatermark(marks: Watermarks): Generator<Watermark> {
  const { metrics, sensorIds, metricAt, timesUs, values } = marks;
  for (let at = 0; at < sensorIds.length; at++)
    yield {
      sensorId: sensorIds[at] ?? 0,
      metric: metrics[metricAt[at] ?? 0] ?? '',
      timeUs: timesUs[at] ?? 0,
      value: values[at] ?? NaN,
    };
}

/** One for each series: the newest. */
export function newestWatermarks(sets: Iterable<Watermarks>): Watermarks {
  const newest = new Map<string, Map<number, Watermark>>();
  for (const set of sets)
    for (const mark of eachWatermark(set)) {
      const bySensor = newest.get(mark.metric) ?? new Map<number, Watermark>();
      newest.set(mark.metric, bySensor);
      if (mark.timeUs >= (bySensor.get(mark.sensorId)?.timeUs ?? -Infinity))
        bySensor.set(mark.sensorId, mark);
    }
  return watermarksOf([...newest.values()].flatMap((bySensor) => [...bySensor.values()]));
}
