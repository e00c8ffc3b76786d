import type { Micros } from '../../reading.ts';
import { type Watermarks, eachWatermark } from './watermarks.ts';

/** A waiting number that the database does not hold, or holds under another time. */
export interface UnstoredNumber {
  readonly timeUs: Micros;
  readonly value: number;
}

/** The last evaluated event of a series, and which of its stored readings are waiting for earlier ones. */
export interface WaitingSeries {
  readonly sensorId: number;
  readonly metric: string;
  /** The last evaluated event; `-Infinity` and NaN before the first. */
  readonly lastUs: Micros;
  readonly lastValue: number;
  /** The earliest and the latest waiting; `Infinity` and `-Infinity` if none is. */
  readonly fromUs: Micros;
  readonly untilUs: Micros;
  readonly unstored: readonly UnstoredNumber[];
}

/** `WaitingSeries` of many series, in columns. */
export interface WaitingColumns {
  /** The last evaluated events. */
  readonly last: Watermarks;
  readonly fromUs: Float64Array;
  readonly untilUs: Float64Array;
  readonly unstored: {
    /** Index of the series above. */
    readonly seriesAt: Int32Array;
    readonly timesUs: Float64Array;
    readonly values: Float64Array;
  };
}

/**
 * One row of the log from which a start restores the waiting readings. Only the newest row of a series counts; a
 * series that no row names has nothing waiting.
 */
export interface WaitingRow {
  /** The share group that evaluates; empty without one. */
  readonly group: string;
  /** The process. */
  readonly writer: string;
  /**
   * Set if the row names all waiting series: it replaces earlier rows of the process, and those found at its start,
   * up to this id.
   */
  readonly replaces?: string | undefined;
  /**
   * The row covers all series of these shards and replaces earlier rows as far as they are about them; absent without
   * a share group: all sensors.
   */
  readonly shards?: readonly number[] | undefined;
  readonly columns: WaitingColumns;
}

/** Fills columns series by series, in plain loops: each batch writes an entry for each of its series. */
export class WaitingEntries {
  private readonly places = new Map<string, number>();
  private readonly unstored: { readonly at: number; readonly number: UnstoredNumber }[] = [];
  private readonly sensorIds: Int32Array;
  private readonly metricAt: Uint32Array;
  private readonly timesUs: Float64Array;
  private readonly values: Float64Array;
  private readonly fromUs: Float64Array;
  private readonly untilUs: Float64Array;
  private size = 0;

  constructor(capacity: number) {
    this.sensorIds = new Int32Array(capacity);
    this.metricAt = new Uint32Array(capacity);
    this.timesUs = new Float64Array(capacity);
    this.values = new Float64Array(capacity);
    this.fromUs = new Float64Array(capacity);
    this.untilUs = new Float64Array(capacity);
  }

  add(series: Omit<WaitingSeries, 'unstored'>, unstored: readonly UnstoredNumber[]): void {
    const at = this.size++;
    this.sensorIds[at] = series.sensorId;
    this.metricAt[at] = this.placeOf(series.metric);
    this.timesUs[at] = series.lastUs;
    this.values[at] = series.lastValue;
    this.fromUs[at] = series.fromUs;
    this.untilUs[at] = series.untilUs;
    for (const number of unstored) this.unstored.push({ at, number });
  }

  get columns(): WaitingColumns {
    const { unstored, sensorIds, metricAt, timesUs, values, fromUs, untilUs } = this;
    return {
      last: { metrics: [...this.places.keys()], sensorIds, metricAt, timesUs, values },
      ...{ fromUs, untilUs },
      unstored: {
        seriesAt: Int32Array.from(unstored, ({ at }) => at),
        timesUs: Float64Array.from(unstored, ({ number }) => number.timeUs),
        values: Float64Array.from(unstored, ({ number }) => number.value),
      },
    };
  }

  private placeOf(metric: string): number {
    const place = this.places.get(metric) ?? this.places.size;
    if (place === this.places.size) this.places.set(metric, place);
    return place;
  }
}

export function waitingColumns(all: readonly WaitingSeries[]): WaitingColumns {
  const entries = new WaitingEntries(all.length);
  for (const series of all) entries.add(series, series.unstored);
  return entries.columns;
}

export function eachWaiting({ last, fromUs, untilUs, unstored }: WaitingColumns): WaitingSeries[] {
  const numbers = new Map<number, UnstoredNumber[]>();
  unstored.seriesAt.forEach((at, index) => {
    const found = numbers.get(at) ?? [];
    numbers.set(at, found);
    found.push({ timeUs: unstored.timesUs[index] ?? 0, value: unstored.values[index] ?? NaN });
  });
  return [...eachWatermark(last)].map(({ sensorId, metric, timeUs, value }, at) => ({
    sensorId,
    metric,
    lastUs: timeUs,
    lastValue: value,
    fromUs: fromUs[at] ?? Infinity,
    untilUs: untilUs[at] ?? -Infinity,
    unstored: numbers.get(at) ?? [],
  }));
}

/** Folds rows, oldest first: the newest entry of each series, with the unstored numbers of all rows that are still waiting. */
export function foldWaiting(rows: Iterable<WaitingColumns>): readonly WaitingSeries[] {
  const newest = new Map<string, Map<number, WaitingSeries>>();
  for (const row of rows)
    for (const series of eachWaiting(row)) {
      const bySensor = newest.get(series.metric) ?? new Map<number, WaitingSeries>();
      newest.set(series.metric, bySensor);
      const { unstored: before = [] } = bySensor.get(series.sensorId) ?? {};
      bySensor.set(
        series.sensorId,
        before.length === 0 ? series : { ...series, unstored: merged(before, series.unstored) },
      );
    }
  return [...newest.values()].flatMap((bySensor) =>
    [...bySensor.values()].map((series) =>
      series.unstored.length === 0
        ? series
        : { ...series, unstored: series.unstored.filter(isWaitingOf(series)) },
    ),
  );
}

export const isWaiting = ({ fromUs, untilUs }: WaitingSeries): boolean => fromUs <= untilUs;

export const isWaitingOf =
  ({ fromUs, untilUs }: Pick<WaitingSeries, 'fromUs' | 'untilUs'>) =>
  ({ timeUs }: UnstoredNumber): boolean =>
    timeUs >= fromUs && timeUs <= untilUs;

/** One number per time: the first. A batch whose COMMIT reply was lost is written again. */
export function merged<Number extends UnstoredNumber>(
  some: readonly Number[],
  more: readonly Number[],
): readonly Number[] {
  const byTime = new Map<Micros, Number>();
  for (const number of [...some, ...more]) if (!byTime.has(number.timeUs)) byTime.set(number.timeUs, number);
  return [...byTime.values()].sort((a, b) => a.timeUs - b.timeUs);
}
