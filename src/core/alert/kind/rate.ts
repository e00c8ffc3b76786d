import type { Micros } from '../../reading.ts';
import type { LastEvent } from '../state/state.ts';

const MINUTE_US = 60_000_000;

/** Readings that are closer together were made at one moment, whatever their clock says: they have no slope. */
const SHORTEST_US = 1000;

/** The difference of 21 and 20.7 is 0.3, and not the little more that binary fractions make of it. */
const DIGITS = 10;

/**
 * Change per minute between two consecutive evaluated readings; undefined for the first one, within a millisecond and after a gap, because
 * a slope across a hole says nothing about either end.
 */
export function ratePerMinute(
  value: number,
  timeUs: Micros,
  last: LastEvent | undefined,
  gap: boolean,
): number | undefined {
  if (last === undefined || gap || timeUs - last.timeUs < SHORTEST_US) return undefined;
  const rate = (value - last.value) / ((timeUs - last.timeUs) / MINUTE_US);
  return Number.isFinite(rate) ? Number(rate.toPrecision(DIGITS)) : undefined;
}
