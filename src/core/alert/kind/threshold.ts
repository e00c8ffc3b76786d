import type { Condition } from '../rule.ts';
import type { Verdict } from '../state.ts';

/**
 * min and max. Breach is strict (`v > max`, `v < min`); clear is `v <= max - h`, `v >= min + h`; between the two
 * nothing changes. A rate is judged the same way, per minute.
 */
export function judgeThreshold(condition: Condition, value: number): Verdict {
  const { levels, hysteresis, side } = condition;
  const limits = levels.map((level) => level.limit);
  const high = side !== 'low';
  const breached = limits.findLastIndex((limit) => (high ? value > limit : value < limit));
  const held = limits.findLastIndex((limit) =>
    high ? value > limit - hysteresis : value < limit + hysteresis,
  );
  return { value, breached, held: Math.max(held, breached), excess: excessOf(condition, value), limits };
}

/** How far out, on the scale of the side: what the peak of an episode is the largest of. */
export function excessOf(condition: Condition, value: number): number {
  return condition.side === 'low' ? -value : value;
}
