import * as z from '../../schema/zod.ts';
import { duration } from '../../schema/common.ts';
import { severity } from '../rules/common-fields.ts';
import { type SeverityLevel, RANK } from '../rules/condition.ts';
import { evaluateThreshold, sideFaults } from './limits.ts';
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
export function severityLevels(values: RuleValues<typeof fields>, side: 'high' | 'low'): SeverityLevel[] {
  const key = side === 'high' ? 'max' : 'min';
  const own = values[key];
  const levels: SeverityLevel[] =
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
  measure: 'value',
  limitOnCurve: 'rule',
  comparesReadings: true,
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

function thresholdFaults(values: RuleValues<typeof fields>): FieldFault[] {
  const { hysteresis } = values;
  const faults = [...levelFaults(values, 'high'), ...levelFaults(values, 'low')];
  const max = severityLevels(values, 'high')[0]?.limit;
  const min = severityLevels(values, 'low')[0]?.limit;
  return min === undefined || max === undefined
    ? faults
    : [...faults, ...sideFaults(['min', min], ['max', max], hysteresis)];
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
