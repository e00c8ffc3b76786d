import type { Micros } from '../../reading.ts';

/**
 * The last evaluated event of some series, in columns: the reference for their next readings, and the time up to
 * which redelivered readings are late.
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
  const { length } = all;
  const places = new Map<string, number>();
  const [sensorIds, metricAt] = [new Int32Array(length), new Uint32Array(length)];
  const [timesUs, values] = [new Float64Array(length), new Float64Array(length)];
  // Loops instead of `from`, which costs ten times as much: a spool record has as many as a batch has series.
  for (let at = 0; at < length; at++) {
    const { sensorId, metric, timeUs, value } = all[at] as Watermark;
    const place = places.get(metric) ?? places.size;
    if (place === places.size) places.set(metric, place);
    sensorIds[at] = sensorId;
    metricAt[at] = place;
    timesUs[at] = timeUs;
    values[at] = value;
  }
  return { metrics: [...places.keys()], sensorIds, metricAt, timesUs, values };
}

/** The last evaluation of a series in the working set. */
interface Evaluated {
  readonly sensorId: number;
  readonly metric: string;
  readonly last: { readonly timeUs: Micros; readonly value: number } | undefined;
  readonly lastChanged: boolean;
}

/** The watermarks of the series that the working set has evaluated. */
export const watermarksOfSeries = (touched: readonly Evaluated[]): Watermarks =>
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

/** The newest watermark of each series. */
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
