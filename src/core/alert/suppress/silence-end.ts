import { formatDuration } from '../../duration.ts';
import type { Millis } from '../../reading.ts';

/** When a silence is to end: at a time, or after a duration. */
export interface SilenceWish {
  readonly startMs: Millis;
  readonly untilMs?: Millis | undefined;
  readonly forMs?: Millis | undefined;
}

/** The end of a silence, or what is wrong with it. */
export type SilenceEnd =
  { readonly at: Date } | { readonly afterMs: Millis } | { readonly fault: string; readonly remedy?: string };

/** A silence always has an end, within `alerts.max_silence`: a forgotten one would suppress notifications for good. */
export function silenceEnd({ startMs, untilMs, forMs }: SilenceWish, maxMs: Millis): SilenceEnd {
  const lastsMs = untilMs === undefined ? (forMs ?? 0) : untilMs - startMs;
  if (lastsMs <= 0) return { fault: 'the silence would end before it begins' };
  if (lastsMs > maxMs)
    return {
      fault: `a silence of ${formatDuration(lastsMs)} is longer than alerts.max_silence (${formatDuration(maxMs)})`,
      remedy: 'make it shorter; what is to be quiet for good belongs into the rules',
    };
  return untilMs === undefined ? { afterMs: lastsMs } : { at: new Date(untilMs) };
}
