import type { Millis } from '../../core/reading.ts';

/** Half open, milliseconds. */
export interface Span {
  readonly fromMs: Millis;
  readonly toMs: Millis;
}

/** What one statement is to give: enough that its start does not count, and little enough that others wait for it briefly. */
const WANTED_ROWS = 200_000;
const FIRST_MS = 60_000;
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
  #widthMs = FIRST_MS;

  next({ fromMs, toMs }: Span): Span {
    return { fromMs, toMs: Math.min(toMs, fromMs + this.#widthMs) };
  }

  record({ fromMs, toMs }: Span, rows: number): void {
    const factor = rows === 0 ? MOST_GROWTH : Math.min(MOST_GROWTH, WANTED_ROWS / rows);
    // What was cut short by the end of its span says nothing against the former width.
    const widthMs = Math.max(1000, Math.round((toMs - fromMs) * factor));
    this.#widthMs = Math.min(MOST_MS, factor >= 1 ? Math.max(this.#widthMs, widthMs) : widthMs);
  }
}
