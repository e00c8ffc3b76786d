import { type IntervalText, intervalMs } from '../interval.ts';

const HOUR_MS = 3_600_000;

export interface StartBounds {
  /** The start_offset of the model. */
  readonly model: IntervalText;
  /** The start_offset of the source, where it is an aggregate; empty or undefined: none. */
  readonly source: IntervalText | undefined;
  /** When the source is compressed; undefined: never. */
  readonly compressed: IntervalText | undefined;
  /** How long the source is kept; undefined: forever. */
  readonly kept: IntervalText | undefined;
  readonly bucket: IntervalText;
  readonly endOffset: IntervalText;
}

/**
 * The start_offset of an aggregate that states none: that of its model or its source, whichever is longer, or the longest one that
 * its source allows, in whole hours. A plan that was written before the aggregate existed stays valid.
 */
export function derivedStart(bounds: StartBounds): IntervalText {
  const { model, source = '', compressed, kept, bucket, endOffset } = bounds;
  const wanted = source !== '' && intervalMs(source) > intervalMs(model) ? source : model;
  const most = Math.min(
    ...(compressed === undefined ? [] : [intervalMs(compressed) - HOUR_MS]),
    ...(kept === undefined ? [] : [intervalMs(kept) - intervalMs(bucket)]),
  );
  if (intervalMs(wanted) <= most) return wanted;
  // TimescaleDB takes no window of fewer than two buckets.
  const least = Math.ceil((2 * intervalMs(bucket) + intervalMs(endOffset)) / HOUR_MS);
  return `${Math.max(least, Math.floor(most / HOUR_MS))} hours`;
}
