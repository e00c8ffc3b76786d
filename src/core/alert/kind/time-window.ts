import { duration } from '../../schema/common.ts';
import type { Micros } from '../../reading.ts';
import type { Condition } from '../rules/condition.ts';
import type { Memory, Sample } from './rule-kind.ts';

/** The key of the kinds that look back over a time. */
export const windowField = duration({ min: '10s', max: '7d' }).describe(
  'time that max_mean, min_mean and max_spread look back over; default 10m',
);
export const DEFAULT_WINDOW_MS = 600_000;

/** Values that together held no longer than this part of the window are joined in one segment, and weigh as much. */
const PART = 1 / 120;
/** from (µs) · until (µs) · held (s) · integral of the value · integral of its square · values */
const WIDTH = 6;

export interface Statistics {
  readonly mean: number;
  /** Standard deviation. */
  readonly deviation: number;
}

/**
 * The values of the window that ends with a reading, as segments: each value counts from its own time until the next one, for
 * `stale_after` at most. The reading itself has not been held yet.
 */
export function heldUntil(condition: Condition, { timeUs, last, memory }: Sample): Memory {
  const fromUs = timeUs - condition.window;
  let start = 0;
  while (start < memory.length && (memory[start + 1] ?? 0) <= fromUs) start += WIDTH;
  const kept = memory.slice(start);
  if (last === undefined) return kept;
  const untilUs = Math.min(timeUs, last.timeUs + condition.staleAfterUs);
  if (untilUs <= Math.max(fromUs, last.timeUs)) return kept;
  const seconds = (untilUs - last.timeUs) / 1e6;
  const { value } = last;
  const added = [last.timeUs, untilUs, seconds, seconds * value, seconds * value * value, 1];
  const at = kept.length - WIDTH;
  if (at < 0 || untilUs - (kept[at] ?? 0) > condition.window * PART) return [...kept, ...added];
  kept[at + 1] = untilUs;
  for (let field = 2; field < WIDTH; field++)
    kept[at + field] = (kept[at + field] ?? 0) + (added[field] ?? 0);
  return kept;
}

/** Undefined where less than half of the window is covered, or by too few values. */
export function statisticsOf(condition: Condition, segments: Memory, timeUs: Micros): Statistics | undefined {
  const fromUs = timeUs - condition.window;
  let [held, sum, squares, values] = [0, 0, 0, 0];
  for (let at = 0; at < segments.length; at += WIDTH) {
    const [startUs = 0, untilUs = 0, seconds = 0, integral = 0, square = 0, count = 0] = segments.slice(
      at,
      at + WIDTH,
    );
    // A segment that began before the window lies in it only in part.
    const share = startUs >= fromUs ? 1 : (untilUs - fromUs) / (untilUs - startUs);
    held += share * seconds;
    sum += share * integral;
    squares += share * square;
    values += count;
  }
  if (held * 2e6 < condition.window || values < (condition.samples ?? 1)) return undefined;
  const mean = sum / held;
  const deviation = Math.sqrt(Math.max(0, squares / held - mean * mean));
  return Number.isFinite(mean) && Number.isFinite(deviation) ? { mean, deviation } : undefined;
}
