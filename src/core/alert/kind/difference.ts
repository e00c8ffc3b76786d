import { toSignificant } from '../../format-number.ts';
import * as z from '../../schema/zod.ts';
import { text } from '../../schema/fields.ts';
import { type ConditionShape, defineKind, oneLevel } from './rule-kind.ts';
import { evaluateThreshold, sideFaults } from './limits.ts';

const difference = z
  .strictObject({
    minus: z
      .strictObject({
        sensor: text('key of the other sensor; absent: the same one').max(256).optional(),
        metric: text('metric whose last value is subtracted').max(256),
      })
      .describe('what is subtracted: its last value, unless that is older than stale_after'),
    max: z.number().describe('fires when the difference is above this').optional(),
    min: z.number().describe('fires when the difference is below this').optional(),
    name: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,99}$/, 'is no name: lower case letters, digits and _')
      .optional()
      .describe('of the alert types, <name>_high and <name>_low; default: <metric>_difference'),
  })
  .refine(({ max, min }) => max !== undefined || min !== undefined, { error: 'needs max, min or both' });

/** Two metrics of one sensor, or of two: supply and return temperature. It is evaluated with each reading of the first. */
export const differenceKind = defineKind({
  fields: { difference: difference.nullable().describe('limits of the difference to another metric') },
  suffixes: ['difference_high', 'difference_low'],
  sentences: { subject: 'subject_difference' },
  faults({ difference: rule, hysteresis }) {
    if (rule?.min === undefined || rule.max === undefined) return [];
    return sideFaults(['difference', rule.min], ['difference', rule.max], hysteresis);
  },
  conditions({ difference: rule, ...values }) {
    if (rule === undefined || rule === null) return [];
    const { minus, name } = rule;
    return (['high', 'low'] as const).flatMap((side): ConditionShape[] => {
      const limit = side === 'high' ? rule.max : rule.min;
      if (limit === undefined) return [];
      const typed = name === undefined ? {} : { alertType: `${name}_${side}` };
      const { hysteresis } = values;
      return [
        { side, suffix: `difference_${side}`, levels: oneLevel(values, limit), hysteresis, minus, ...typed },
      ];
    });
  },
  evaluate(condition, { value, partner }) {
    if (partner === undefined) return undefined;
    const difference = value - partner.value;
    return Number.isFinite(difference)
      ? evaluateThreshold(condition, toSignificant(difference, 10))
      : undefined;
  },
  /** With the next reading. */
  reevaluate: () => undefined,
  subject: ({ metric, minus }) =>
    `${metric} minus ${minus?.sensor === undefined ? '' : `${minus.sensor} `}${minus?.metric ?? ''}`,
});
