import { z } from 'zod';
import { duration } from '../../schema/common.ts';
import { severity } from '../rules/common-fields.ts';
import { type Condition, type Level, RANK } from '../rules/condition.ts';
import type { Evaluation } from '../state/state.ts';
import { type RuleValues, defineKind, limit } from './rule-kind.ts';

const level = z
  .strictObject({
    severity,
    max: z.number().describe('crossed above this').optional(),
    min: z.number().describe('crossed below this').optional(),
    for: duration({ max: '30d' })
      .optional()
      .describe('how long this level must be crossed; absent: the rule’s for, and at once while it fires'),
  })
  .refine(({ max, min }) => max !== undefined || min !== undefined, { error: 'needs max, min or both' })
  .describe('a further severity level of the rule');

const fields = {
  min: limit('fires below this'),
  max: limit('fires above this'),
  levels: z.array(level).max(6).describe('further severities with limits of their own'),
};

/** The levels of one side: the rule's own limit at its severity, and the levels that name this side. */
export function severityLevels(values: RuleValues<typeof fields>, side: 'high' | 'low'): Level[] {
  const key = side === 'high' ? 'max' : 'min';
  const own = values[key];
  const levels: Level[] =
    typeof own === 'number' ? [{ severity: values.severity, limit: own, forUs: undefined }] : [];
  for (const each of values.levels ?? []) {
    const further = each[key];
    if (further === undefined) continue;
    levels.push({
      severity: each.severity,
      limit: further,
      forUs: each.for === undefined ? undefined : each.for * 1000,
    });
  }
  return levels.sort((a, b) => RANK[a.severity] - RANK[b.severity]);
}

export const threshold = defineKind({
  fields,
  conditions: (values) =>
    (['high', 'low'] as const).flatMap((side) => {
      const levels = severityLevels(values, side);
      if (levels.length === 0) return [];
      // Only a threshold can be assumed to hold while nothing is received.
      return [{ side, suffix: side, levels, hysteresis: values.hysteresis, forMode: values.for_mode }];
    }),
  evaluatesValue: true,
  quiet: true,
  evaluate: (condition, { value }) => evaluateThreshold(condition, value),
  reevaluate: (condition, { last }) =>
    last === undefined ? undefined : evaluateThreshold(condition, last.value),
});

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
