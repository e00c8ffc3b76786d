/** When an open batch is written. Sizes are totals over the batch; times are monotonic milliseconds. */
export interface BatchLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
  /** How long the first message of a batch may wait for further ones. */
  readonly lingerMs: number;
  /** The same of a batch that is not sparse: less where commits are fast. Default: `lingerMs`. */
  readonly filledLingerMs?: number | undefined;
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
  /** How many the broker sends before it waits for acknowledgements, by what it said or the protocol assumes. */
  readonly receiveMaximum: number;
  /** Most that it has had unacknowledged lately: it may send no more before an acknowledgement. */
  readonly mostUnacknowledged: number;
}

export type FlushDecision =
  | { readonly flush: 'now' }
  /** `sparse`: as it is now; when it no longer is, the wait may be shorter. */
  | { readonly flush: 'later'; readonly afterMs: number; readonly sparse: boolean };

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

/** A batch is sparse while it has less than one message for this part of its wait. */
const MS_PER_MESSAGE = 10;

/**
 * A batch with few messages, to which the broker can send more: waiting longer saves commits. With a window that is used up
 * it would only wait: a broker with `max_inflight_messages 1` sends nothing before the acknowledgement.
 */
export function isSparse(fill: Pick<BatchFill, 'messages'>, window: WindowFill, lingerMs: number): boolean {
  if (fill.messages * MS_PER_MESSAGE >= lingerMs) return false;
  // Messages of QoS 0 are not acknowledged.
  return window.unacknowledged === 0 || window.unacknowledged < window.mostUnacknowledged;
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
  const { lingerMs, filledLingerMs = lingerMs } = limits;
  const sparse = isSparse(fill, window, lingerMs);
  const afterMs = fill.openedAtMs + (sparse ? lingerMs : filledLingerMs) - nowMs;
  return afterMs <= 0 ? NOW : { flush: 'later', afterMs, sparse };
}
