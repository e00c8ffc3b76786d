import type { Micros } from '../../reading.ts';
import type { LastEvent } from '../state/state.ts';

const MINUTE_US = 60_000_000;

/** Readings closer together than this were made at one moment, whatever their clock says: they have no slope. */
const SHORTEST_US = 1000;

/** 21 - 20.7 is 0.3, without the rounding error of binary fractions. */
const DIGITS = 10;

/**
 * Change per minute between two consecutive evaluated readings; undefined for the first one, within a millisecond and
 * after a gap: a slope across a gap describes neither end.
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
