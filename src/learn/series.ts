import { type Range, joined } from '../core/ingest/datasheet.ts';
import type { Observed } from '../core/ingest/preset/samples.ts';
import type { Millis } from '../core/reading.ts';

/** The reception of one metric of one device: arrival times, and the datasheet's range if the message names the part. */
export interface Series {
  /** When live messages brought it, in the order of arrival. */
  readonly arrivals: Millis[];
  /** The topic of the last of them. */
  topic: string | undefined;
  /** The widest range of the parts that measured it; undefined: at least one of them is not known. */
  range: Range | undefined;
  min: number;
  max: number;
}

export function noteSeries(
  known: Series | undefined,
  message: Observed,
  value: number,
  range: Range | undefined,
): Series {
  const series = known ?? { arrivals: [], topic: undefined, range, min: value, max: value };
  series.min = Math.min(series.min, value);
  series.max = Math.max(series.max, value);
  series.range = joined(series.range, range);
  // A retained message is no evidence about the rhythm.
  if (message.retain || series.arrivals.at(-1) === message.receivedAtMs) return series;
  series.arrivals.push(message.receivedAtMs);
  series.topic = message.topic;
  return series;
}

/** Fewer intervals do not show what is usual. */
const ENOUGH = 3;
/** With a longest interval beyond this many usual ones, the metric is sent on change. */
const STEADY = 3;

/** The longest interval of a steady rhythm. `endMs`: until when it was listened to; undefined: not to the end. */
export function steadyInterval(arrivals: readonly Millis[], endMs: Millis | undefined): Millis | undefined {
  const intervals = arrivals.slice(1).map((at, index) => at - (arrivals[index] ?? at));
  if (intervals.length < ENOUGH) return undefined;
  const sorted = intervals.toSorted((a, b) => a - b);
  const usual = sorted[(sorted.length - 1) >> 1] ?? 0;
  const silence = endMs === undefined ? 0 : endMs - (arrivals.at(-1) ?? endMs);
  const longest = Math.max(sorted.at(-1) ?? 0, silence);
  return usual > 0 && longest <= STEADY * usual ? longest : undefined;
}
