import type { Condition } from '../rules/condition.ts';
import type { Evaluation } from '../state/state.ts';

/** The last evaluated readings that did not breach, oldest first; at most `window` of them. */
export type Window = readonly number[];

export const EMPTY_WINDOW: Window = [];

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
