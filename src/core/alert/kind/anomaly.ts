import * as z from '../../schema/zod.ts';
import type { Condition } from '../rules/condition.ts';
import type { Evaluation } from '../state/state.ts';
import { type Memory, defineKind, oneLevel } from './rule-kind.ts';
import { show } from './texts.ts';

const settings = z
  .strictObject({
    z: z.number().positive().describe('standard deviations from the mean that are unusual').default(3),
    window: z
      .int()
      .min(3)
      .max(1000)
      .default(60)
      .describe('readings to compare with; all of them are needed for an evaluation'),
    hysteresis: z.number().min(0).default(0).describe('how far inside the band it must come back'),
  })
  .describe('unusual against the last readings (z-score)');

export const anomaly = defineKind({
  fields: { anomaly: settings.nullable() },
  suffixes: ['anomaly'],
  measure: 'deviation from what is usual',
  limitOnCurve: 'alert',
  windowCounts: 'readings',
  // Standard deviations have no unit; the value of its alerts has that of the metric.
  limitUnit: () => undefined,
  sentences: {
    crossing({ isBeyond, isPast, low }) {
      if (!isBeyond) return undefined;
      return isPast ? 'was_unusual' : low ? 'unusual_below' : 'unusual_above';
    },
    open: ({ isBeyond, threshold }) => (isBeyond && threshold !== null ? 'still_unusual' : undefined),
    group: null,
  },
  conditions({ anomaly: given, ...values }) {
    if (given === undefined || given === null) return [];
    const { z: times, window, hysteresis } = given;
    return [{ side: 'both', suffix: 'anomaly', levels: oneLevel(values, times), hysteresis, window }];
  },
  evaluatesValue: true,
  evaluate: (condition, { value, memory }) => evaluateAnomaly(condition, value, memory),
  reevaluate: (condition, { last, memory }) =>
    last === undefined ? undefined : evaluateAnomaly(condition, last.value, memory),
  remember: (condition, { value, memory }, evaluation) => slide(memory, condition.window, value, evaluation),
  beyond: (_, { value, threshold }) => `unusual, ${(value ?? 0) >= (threshold ?? 0) ? 'above' : 'below'}`,
  still: (_, { value }) => `${value === undefined ? '' : ` ${show(value)}`} is still unusual`,
});

/** The last evaluated readings that did not breach, oldest first; at most `window` of them. */
type Window = Memory;

/**
 * z-score against a full window: breach when `|v - mean| > z * sigma`, population sigma. No result before the window
 * is full, or if all its values are equal: any change at all would be infinitely unusual.
 */
export function evaluateAnomaly(
  condition: Condition,
  value: number,
  retained: Window,
): Evaluation | undefined {
  if (retained.length < condition.window) return undefined;
  // There are more for a moment after the rule was changed to a smaller window.
  const window = retained.length > condition.window ? retained.slice(-condition.window) : retained;
  const mean = window.reduce((sum, each) => sum + each, 0) / window.length;
  const sigma = Math.sqrt(window.reduce((sum, each) => sum + (each - mean) ** 2, 0) / window.length);
  // The squares of very large values overflow. Rounding leaves a window of equal values with a sigma that is not quite zero.
  if (sigma <= Number.EPSILON * Math.abs(mean) || !Number.isFinite(sigma)) return undefined;
  const distance = Math.abs(value - mean);
  const reach = condition.levels.map((level) => level.limit * sigma);
  return {
    value,
    breached: reach.findLastIndex((limit) => distance > limit),
    held: reach.findLastIndex((limit) => distance > limit - condition.hysteresis),
    excess: distance,
    limits: reach.map((limit) => (value >= mean ? mean + limit : mean - limit)),
  };
}

/** The window after a reading: a breaching reading is left out, or an anomaly would become normal. */
export function slide(
  window: Window,
  size: number,
  value: number,
  evaluation: Evaluation | undefined,
): Window {
  if (evaluation !== undefined && evaluation.breached >= 0) return window;
  return window.length < size ? [...window, value] : [...window.slice(window.length - size + 1), value];
}
