import type { Millis } from '../../core/reading.ts';

/** Half open, milliseconds. */
export interface Span {
  readonly fromMs: Millis;
  readonly toMs: Millis;
}

/** How many rows one statement is to give. */
export interface SliceSize {
  /** With fewer, the next one covers more time; with more than `most`, less. */
  readonly few: number;
  readonly most: number;
  /** The time that the first one covers. */
  readonly firstMs: Millis;
}

/**
 * A server streams, and reads a chunk as a whole for each part of it: a statement a day. The embedded one holds a result in memory
 * and serves one session at a time: little enough that others wait for it briefly.
 */
export const SERVER_SLICE: SliceSize = { few: 1_000_000, most: 10_000_000, firstMs: 86_400_000 };
export const EMBEDDED_SLICE: SliceSize = { few: 200_000, most: 200_000, firstMs: 60_000 };

const MOST_GROWTH = 8;
const MOST_MS = 31 * 86_400_000;

/** Overlapping and neighbouring spans as one, in order, cut to `within`. */
export function mergeSpans(spans: readonly Span[], within: Span): readonly Span[] {
  const merged: { fromMs: Millis; toMs: Millis }[] = [];
  for (const { fromMs, toMs } of [...spans].sort((a, b) => a.fromMs - b.fromMs)) {
    const cut = { fromMs: Math.max(fromMs, within.fromMs), toMs: Math.min(toMs, within.toMs) };
    if (cut.fromMs >= cut.toMs) continue;
    const last = merged.at(-1);
    if (last !== undefined && cut.fromMs <= last.toMs) last.toMs = Math.max(last.toMs, cut.toMs);
    else merged.push(cut);
  }
  return merged;
}

export const lengthOf = (spans: readonly Span[]): Millis =>
  spans.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);

/**
 * How much time one statement covers. The rows of the last one say how much the next one may: memory stays bounded, a server
 * of one session serves others in between, and an interruption loses little.
 */
export class SliceWidth {
  readonly #size: SliceSize;
  #widthMs: Millis;

  constructor(size: SliceSize) {
    this.#size = size;
    this.#widthMs = size.firstMs;
  }

  next({ fromMs, toMs }: Span): Span {
    return { fromMs, toMs: Math.min(toMs, fromMs + this.#widthMs) };
  }

  record({ fromMs, toMs }: Span, rows: number): void {
    const { few, most } = this.#size;
    const wanted = Math.min(Math.max(rows, few), most);
    const factor = rows === 0 ? MOST_GROWTH : Math.min(MOST_GROWTH, wanted / rows);
    // What was cut short by the end of its span says nothing against the former width.
    const widthMs = Math.max(1000, Math.round((toMs - fromMs) * factor));
    this.#widthMs = Math.min(MOST_MS, factor >= 1 ? Math.max(this.#widthMs, widthMs) : widthMs);
  }
}
