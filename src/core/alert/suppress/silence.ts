import type { Matchers } from '../rules/config.ts';
import type { Millis } from '../../reading.ts';

/** Alerts that an operator does not want to hear of, for a time. It always has an end. */
export interface Silence {
  readonly id: string;
  readonly matchers: Matchers;
  readonly startsMs: Millis;
  /** Not silent any more at this moment. */
  readonly endsMs: Millis;
  readonly by: string;
  readonly comment: string;
}

export const isSilent = ({ startsMs, endsMs }: Silence, atMs: Millis): boolean =>
  startsMs <= atMs && atMs < endsMs;

/** The first begin or end of a silence after a moment; Infinity if there is none. */
export function nextSilenceChangeMs(silences: readonly Silence[], afterMs: Millis): Millis {
  let nextMs = Infinity;
  for (const { startsMs, endsMs } of silences) {
    // One that was taken back before it began never changes anything.
    if (endsMs <= startsMs) continue;
    if (startsMs > afterMs) nextMs = Math.min(nextMs, startsMs);
    else if (endsMs > afterMs) nextMs = Math.min(nextMs, endsMs);
  }
  return nextMs;
}
