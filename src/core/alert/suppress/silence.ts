import type { Matchers } from '../rules/config.ts';
import type { Millis } from '../../reading.ts';
import { formatDuration } from '../../duration.ts';

/** Suppresses the notifications of alerts for a limited time. */
export interface Silence {
  readonly id: string;
  readonly matchers: Matchers;
  readonly startsMs: Millis;
  /** Exclusive. */
  readonly endsMs: Millis;
  readonly by: string;
  readonly comment: string;
  /** The operator that ended it before its time. */
  readonly endedBy?: string | undefined;
}

export const isSilent = ({ startsMs, endsMs }: Silence, atMs: Millis): boolean =>
  startsMs <= atMs && atMs < endsMs;

/** The first start or end of a silence after a moment; Infinity without one. */
export function nextSilenceChangeMs(silences: readonly Silence[], afterMs: Millis): Millis {
  let nextMs = Infinity;
  for (const { startsMs, endsMs } of silences) {
    // One that was cancelled before its start never changes anything.
    if (endsMs <= startsMs) continue;
    if (startsMs > afterMs) nextMs = Math.min(nextMs, startsMs);
    else if (endsMs > afterMs) nextMs = Math.min(nextMs, endsMs);
  }
  return nextMs;
}

/** When a silence is to end: at a time, or after a duration. */
export interface SilenceRequest {
  readonly startMs: Millis;
  readonly untilMs?: Millis | undefined;
  readonly forMs?: Millis | undefined;
}

/** The end of a silence, or what is wrong with it. */
export type SilenceEnd =
  { readonly at: Date } | { readonly afterMs: Millis } | { readonly fault: string; readonly remedy?: string };

/** A silence always has an end, within `alerts.max_silence`: a forgotten one would suppress notifications for good. */
export function silenceEnd({ startMs, untilMs, forMs }: SilenceRequest, maxMs: Millis): SilenceEnd {
  const lastsMs = untilMs === undefined ? (forMs ?? 0) : untilMs - startMs;
  if (lastsMs <= 0) return { fault: 'the silence would end before it begins' };
  if (lastsMs > maxMs)
    return {
      fault: `a silence of ${formatDuration(lastsMs)} is longer than alerts.max_silence (${formatDuration(maxMs)})`,
      remedy: 'make it shorter; what is to be quiet for good belongs into the rules',
    };
  return untilMs === undefined ? { afterMs: lastsMs } : { at: new Date(untilMs) };
}
