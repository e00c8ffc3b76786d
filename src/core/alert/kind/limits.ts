import type { Condition } from '../rules/condition.ts';
import type { Evaluation } from '../state/state.ts';
import type { FieldFault } from './rule-kind.ts';

// What a number is against limits, for every kind that has them.

/**
 * min and max. Breach is strict (`v > max`, `v < min`); clear is `v <= max - h`, `v >= min + h`; between the two
 * nothing changes. A rate is evaluated the same way, per minute.
 */
export function evaluateThreshold(condition: Condition, value: number): Evaluation {
  const { levels, hysteresis, side } = condition;
  const limits = levels.map((level) => level.limit);
  const high = side !== 'low';
  const breached = limits.findLastIndex((limit) => (high ? value > limit : value < limit));
  const held = limits.findLastIndex((limit) =>
    high
      ? value - (limit - hysteresis) > noiseOf(limit, hysteresis)
      : limit + hysteresis - value > noiseOf(limit, hysteresis),
  );
  return { value, breached, held: Math.max(held, breached), excess: excessOf(condition, value), limits };
}

/** Rounding error of binary fractions: 0.2 is clear of max 0.3 with hysteresis 0.1, although 0.3 - 0.1 is slightly less. */
export const noiseOf = (limit: number, hysteresis: number): number => 1e-12 * (Math.abs(limit) + hysteresis);

/** Distance towards the side of the limit: the peak of an episode is its maximum. */
export function excessOf(condition: Condition, value: number): number {
  return condition.side === 'low' ? -value : value;
}

type Named = readonly [field: string, limit: number];

/** Faults of two limits that leave no value clear of both. */
export function sideFaults([low, min]: Named, [high, max]: Named, hysteresis: number): FieldFault[] {
  if (min > max) return [{ field: low, message: `${low} ${min} is above ${high} ${max}` }];
  if (min + hysteresis - (max - hysteresis) <= noiseOf(max - min, hysteresis)) return [];
  const message =
    `hysteresis ${hysteresis} leaves no value that is clear of both ${low} ${min} and ${high} ${max}; ` +
    `it can be ${(max - min) / 2} at most`;
  return [{ field: 'hysteresis', message }];
}
