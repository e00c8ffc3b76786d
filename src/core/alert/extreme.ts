import type { Side } from './model.ts';

/** Name of the value furthest beyond the limit (`peak_value`), in texts, lists and the page alike. */
export type Extreme = 'highest' | 'lowest';

/** An anomaly has a limit on each side: its extreme lies beyond the one that was crossed. */
export function extremeOf({
  alertType,
  side,
  peakValue,
  threshold,
}: {
  readonly alertType: string;
  readonly side?: Side | null | undefined;
  readonly peakValue: number | null;
  readonly threshold: number | null;
}): Extreme {
  if (side === 'low' || (side !== 'high' && alertType.endsWith('_low'))) return 'lowest';
  if (side === 'high' || alertType.endsWith('_high')) return 'highest';
  return peakValue !== null && threshold !== null && peakValue < threshold ? 'lowest' : 'highest';
}
