/** A width or an age as the database writes it: `1 hour`, `7 days`. */
export type IntervalText = string;

const INTERVAL = /^\d+(?:\.\d+)? (?:microsecond|millisecond|second|minute|hour|day|week|month|year)s?$/;

/**
 * An interval as text of a statement, and not as a parameter: in SELECT and in GROUP BY it is the same expression only then.
 * @throws RangeError for anything that is no number with a unit
 */
export function intervalText(text: IntervalText): string {
  if (!INTERVAL.test(text))
    throw new RangeError(`${JSON.stringify(text)} is no interval; write it like 15 minutes or 7 days`);
  return `INTERVAL '${text}'`;
}

/** @throws RangeError outside of 0 to 1 */
export function fractionText(fraction: number): string {
  if (!(fraction >= 0 && fraction <= 1)) throw new RangeError(`${fraction} is no fraction from 0 to 1`);
  return String(fraction);
}
