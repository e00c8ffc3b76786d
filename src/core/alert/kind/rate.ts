import { toSignificant } from '../../format-number.ts';
import type { Micros } from '../../reading.ts';
import type { LastEvent } from '../state/state.ts';
import { type ConditionShape, defineKind, oneLevel, positiveLimit } from './rule-kind.ts';
import { evaluateThreshold } from './limits.ts';

export const rate = defineKind({
  fields: {
    max_rise: positiveLimit('fires when it rises faster than this per minute'),
    max_fall: positiveLimit('fires when it falls faster than this per minute'),
  },
  suffixes: ['rate_high', 'rate_low'],
  measure: 'change',
  unit: (ofMetric) => (ofMetric === undefined ? undefined : `${ofMetric}/min`),
  sentences: {
    subject: 'subject_rate',
    withoutSign: true,
    crossing: ({ isBeyond, isPast, low }) => (isBeyond && !isPast ? (low ? 'falls' : 'rises') : undefined),
    open: ({ isBeyond, low }) => (isBeyond ? (low ? 'still_falls' : 'still_rises') : undefined),
  },
  conditions(values) {
    const { max_rise: rise, max_fall: fall } = values;
    const made: ConditionShape[] = [];
    // The rule's hysteresis is in the metric's unit: it does not apply to a rate.
    if (typeof rise === 'number')
      made.push({ side: 'high', suffix: 'rate_high', levels: oneLevel(values, rise) });
    // A fall is a negative rate: the limit is stored with its sign, like the value.
    if (typeof fall === 'number')
      made.push({ side: 'low', suffix: 'rate_low', levels: oneLevel(values, -fall) });
    return made;
  },
  evaluate(condition, { value, timeUs, last, gap }) {
    const perMinute = ratePerMinute(value, timeUs, last, gap);
    return perMinute === undefined ? undefined : evaluateThreshold(condition, perMinute);
  },
  /** A rate needs two readings: it is evaluated with the next one. */
  reevaluate: () => undefined,
  subject: ({ metric }) => `rate of ${metric} per minute`,
});

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
  return Number.isFinite(rate) ? toSignificant(rate, DIGITS) : undefined;
}
