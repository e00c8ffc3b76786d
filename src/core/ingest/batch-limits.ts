/** When an open batch is written. Sizes are totals over the batch; times are monotonic milliseconds. */
export interface BatchLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
  /** How long the first message of a quiet batch may wait for further ones. */
  readonly lingerMs: number;
  /** Values of all its readings together; default `MOST_VALUES`. */
  readonly maxValues?: number | undefined;
}

export interface BatchFill {
  readonly rows: number;
  /** Values of all its readings together. */
  readonly values: number;
  readonly bytes: number;
  readonly messages: number;
  readonly openedAtMs: number;
}

export interface WindowFill {
  /** Messages received and not yet acknowledged, the open batch included. */
  readonly unacknowledged: number;
  /** How many the broker sends before it waits for acknowledgements. */
  readonly receiveMaximum: number;
}

export type FlushDecision = { readonly flush: 'now' } | { readonly flush: 'later'; readonly afterMs: number };

/** Values of one transaction and one evaluation: each may raise an alert, which takes a thousand bytes for a while. */
export const MOST_VALUES = 20_000;
/** Values of a transaction whose readings are only stored: encoding them takes a few milliseconds. */
export const MOST_STORED_VALUES = 50_000;

const NOW: FlushDecision = { flush: 'now' };

/** A batch that takes no more rows: the next message opens another. */
export function isFull(fill: BatchFill, limits: BatchLimits): boolean {
  const { maxRows, maxBytes, maxValues = MOST_VALUES } = limits;
  return fill.rows >= maxRows || fill.values >= maxValues || fill.bytes >= maxBytes;
}

/**
 * Decides for a non-empty batch while no other is being written. Waiting makes sense only while more can arrive:
 * once half of the broker's window is in this batch, or the window is used up, it goes out, so that one half fills
 * while the other commits.
 */
export function decideFlush(
  fill: BatchFill,
  window: WindowFill,
  limits: BatchLimits,
  nowMs: number,
): FlushDecision {
  if (isFull(fill, limits)) return NOW;
  if (fill.messages * 2 >= window.receiveMaximum || window.unacknowledged >= window.receiveMaximum)
    return NOW;
  const afterMs = fill.openedAtMs + limits.lingerMs - nowMs;
  return afterMs <= 0 ? NOW : { flush: 'later', afterMs };
}
