import type { Millis } from '../../reading.ts';

/** ISA-18.2: more than 10 alarms in 10 minutes are more than an operator can answer; below 5 the flood is over. */
export const FLOOD_WINDOW_MS: Millis = 600_000;
const STARTS_ABOVE = 10;
const ENDS_BELOW = 5;

export interface Flood {
  readonly fromMs: Millis;
  /** undefined: it is ongoing. */
  readonly untilMs: Millis | undefined;
  /** Episodes that fired during the flood, including those that started it. */
  readonly fired: number;
}

/**
 * The episodes that fired in the last 10 minutes, and whether they are a flood. Times come in order; equal times are
 * one entry.
 */
export class FloodWatch {
  /** Most episodes in any 10 minutes. */
  peak = 0;
  private readonly recent: { readonly atMs: Millis; count: number }[] = [];
  private inWindow = 0;
  private flood: { fromMs: Millis; fired: number } | undefined;
  private readonly ended: (flood: Flood) => void;

  constructor(ended: (flood: Flood) => void = () => undefined) {
    this.ended = ended;
  }

  fired(atMs: Millis): void {
    this.passTo(atMs);
    const newest = this.recent.at(-1);
    if (newest?.atMs === atMs) newest.count++;
    else this.recent.push({ atMs, count: 1 });
    this.inWindow++;
    this.peak = Math.max(this.peak, this.inWindow);
    if (this.flood !== undefined) this.flood.fired++;
    else if (this.inWindow > STARTS_ABOVE) this.flood = { fromMs: atMs, fired: this.inWindow };
  }

  /** Expired entries may end the flood, at the moment when they expire. */
  passTo(nowMs: Millis): void {
    let expired = 0;
    for (const { atMs, count } of this.recent) {
      const leavesMs = atMs + FLOOD_WINDOW_MS;
      if (leavesMs > nowMs) break;
      expired++;
      this.inWindow -= count;
      if (this.flood !== undefined && this.inWindow < ENDS_BELOW) {
        this.ended({ ...this.flood, untilMs: leavesMs });
        this.flood = undefined;
      }
    }
    if (expired > 0) this.recent.splice(0, expired);
  }

  /** Episodes that fired in the last 10 minutes. */
  get count(): number {
    return this.inWindow;
  }

  get open(): Flood | undefined {
    return this.flood === undefined ? undefined : { ...this.flood, untilMs: undefined };
  }
}
