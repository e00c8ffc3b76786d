import type { Millis } from '../../reading.ts';
import type { Trend } from './language.ts';

export interface TimedValue {
  readonly timeMs: Millis;
  readonly value: number;
}

const LEAST = 3;

/**
 * Of values up to a moment, in the order of time: the change of their line of best fit, against their distance from it.
 * Undefined for fewer than three.
 */
export function trendOf(values: readonly TimedValue[]): Trend | undefined {
  const [first] = values;
  if (first === undefined || values.length < LEAST) return undefined;
  const times = values.map(({ timeMs }) => (timeMs - first.timeMs) / 1000);
  const meanTime = mean(times);
  const meanValue = mean(values.map(({ value }) => value));
  let [covariance, variance] = [0, 0];
  values.forEach(({ value }, at) => {
    const distance = (times[at] ?? 0) - meanTime;
    covariance += distance * (value - meanValue);
    variance += distance ** 2;
  });
  if (variance === 0) return undefined;
  const slope = covariance / variance;
  const residuals = values.map(({ value }, at) => value - meanValue - slope * ((times[at] ?? 0) - meanTime));
  const noise = Math.sqrt(mean(residuals.map((each) => each ** 2)));
  const change = slope * (times.at(-1) ?? 0);
  if (Math.abs(change) <= 2 * noise || Math.abs(change) <= 1e-9 * Math.abs(meanValue)) return 'steady';
  return change > 0 ? 'rising' : 'falling';
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
