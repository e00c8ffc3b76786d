import type { Matchers } from '../rules/config.ts';
import type { Millis } from '../../reading.ts';

/** Suppresses the notifications of alerts for a limited time. */
export interface Silence {
  readonly id: string;
  readonly matchers: Matchers;
  readonly startsMs: Millis;
  /** Exclusive. */
  readonly endsMs: Millis;
  readonly by: string;
  readonly comment: string;
  /** Who ended it before its time. */
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
