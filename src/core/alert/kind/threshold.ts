import { z } from 'zod';
import { duration } from '../../schema/common.ts';
import { severity } from '../rules/common-fields.ts';
import { type Condition, type Level, RANK } from '../rules/condition.ts';
import type { Evaluation } from '../state/state.ts';
import { type FieldFault, type RuleValues, defineKind, limit } from './rule-kind.ts';

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
  suffixes: ['high', 'low'],
  faults: thresholdFaults,
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

function thresholdFaults(values: RuleValues<typeof fields>): FieldFault[] {
  const { hysteresis } = values;
  const faults = [...levelFaults(values, 'high'), ...levelFaults(values, 'low')];
  const max = severityLevels(values, 'high')[0]?.limit;
  const min = severityLevels(values, 'low')[0]?.limit;
  return min === undefined || max === undefined
    ? faults
    : [...faults, ...sideFaults(['min', min], ['max', max], hysteresis)];
}

type Named = readonly [field: string, limit: number];

/** Of a limit on each side: whether any value is clear of both. */
export function sideFaults([low, min]: Named, [high, max]: Named, hysteresis: number): FieldFault[] {
  if (min > max) return [{ field: low, message: `${low} ${min} is above ${high} ${max}` }];
  if (min + hysteresis - (max - hysteresis) <= noiseOf(max - min, hysteresis)) return [];
  const message =
    `hysteresis ${hysteresis} leaves no value that is clear of both ${low} ${min} and ${high} ${max}; ` +
    `it can be ${(max - min) / 2} at most`;
  return [{ field: 'hysteresis', message }];
}

function levelFaults(values: RuleValues<typeof fields>, side: 'high' | 'low'): FieldFault[] {
  const levels = severityLevels(values, side);
  const key = side === 'high' ? 'max' : 'min';
  return levels.flatMap((each, index): FieldFault[] => {
    const below = levels[index - 1];
    if (below === undefined) return [];
    if (below.severity === each.severity)
      return [{ field: 'levels', message: `two ${key} limits have severity ${each.severity}` }];
    const inward = side === 'high' ? each.limit < below.limit : each.limit > below.limit;
    if (!inward) return [];
    const message = `${each.severity} ${key} ${each.limit} comes before ${below.severity} ${key} ${below.limit}`;
    return [{ field: 'levels', message }];
  });
}
