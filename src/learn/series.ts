import { type Range, joined } from '../core/ingest/datasheet.ts';
import type { Observed } from '../core/ingest/preset/samples.ts';
import type { Millis } from '../core/reading.ts';

/** How one metric of one device was heard: when, and what its datasheet says where the message names the part. */
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
  // What the broker had retained says nothing about the rhythm.
  if (message.retain || series.arrivals.at(-1) === message.receivedAtMs) return series;
  series.arrivals.push(message.receivedAtMs);
  series.topic = message.topic;
  return series;
}

/** Fewer intervals say nothing about what is usual. */
const ENOUGH = 3;
/** A longest interval beyond so many usual ones: it is sent when something changes. */
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
