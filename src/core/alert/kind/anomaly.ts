import type { Condition } from '../rules/condition.ts';
import type { Evaluation } from '../state/state.ts';

/** The last evaluated readings that were not themselves alerting, oldest first; at most `window` of them. */
export type Window = readonly number[];

export const EMPTY_WINDOW: Window = [];

/**
 * z-score against a full window: breach when `|v - mean| > z * sigma`, population sigma. No verdict before the window
 * is full, or when all of it is one value: any change at all would be infinitely unusual.
 */
export function evaluateAnomaly(condition: Condition, value: number, kept: Window): Evaluation | undefined {
  if (kept.length < condition.window) return undefined;
  // More are kept for a moment when the rule asks for fewer from now on.
  const window = kept.length > condition.window ? kept.slice(-condition.window) : kept;
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

/** The window after a reading: one that breaches stays out, or an anomaly would teach itself to be normal. */
export function slide(
  window: Window,
  size: number,
  value: number,
  evaluation: Evaluation | undefined,
): Window {
  if (evaluation !== undefined && evaluation.breached >= 0) return window;
  return window.length < size ? [...window, value] : [...window.slice(window.length - size + 1), value];
}
