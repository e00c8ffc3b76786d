import type { Millis } from '../../reading.ts';
import type { Trend } from './language.ts';

export interface TimedValue {
  readonly timeMs: Millis;
  readonly value: number;
}

const LEAST = 3;
/** Two lines have four parameters: with so few values they explain anything. */
const LEAST_OF_TWO = LEAST + 2;
/** The F of a test of two lines against one; large, since the best of all turning points is taken. */
const TURN_F = 10;
/** How far a change must stand out of the noise: that of the last values alone further, since it was chosen by them. */
const OUTSTANDING = 2;
const OUTSTANDING_TURN = 5;

/**
 * Of values up to a moment, in the order of time: the change of their line of best fit, against their distance from it. Where they
 * have turned, as just after a peak, it is that of the values since. Undefined for fewer than three.
 */
export function trendOf(values: readonly TimedValue[]): Trend | undefined {
  if (values.length < LEAST) return undefined;
  const whole = lineOf(values);
  if (whole === undefined) return undefined;
  const since = sinceTurn(values, whole);
  const line = since ?? whole;
  const least = since === undefined ? OUTSTANDING : OUTSTANDING_TURN;
  const size = Math.max(...values.map(({ value }) => Math.abs(value)));
  if (Math.abs(line.change) <= least * line.noise || Math.abs(line.change) <= 1e-9 * size) return 'steady';
  return line.change > 0 ? 'rising' : 'falling';
}

interface Line {
  /** From the first value to the last. */
  readonly change: number;
  /** Sum of the squared distances from it. */
  readonly squares: number;
  readonly noise: number;
}

/** The line since the last turn; undefined where one line fits about as well as two. */
function sinceTurn(values: readonly TimedValue[], whole: Line): Line | undefined {
  if (values.length < LEAST_OF_TWO) return undefined;
  let best: { readonly squares: number; readonly line: Line } | undefined;
  for (let at = LEAST - 1; at <= values.length - LEAST; at++) {
    const before = lineOf(values.slice(0, at));
    const line = lineOf(values.slice(at));
    if (before === undefined || line === undefined) continue;
    const squares = before.squares + line.squares;
    if (best === undefined || squares < best.squares) best = { squares, line };
  }
  if (best === undefined) return undefined;
  const gained = (whole.squares - best.squares) / 2;
  return gained > (TURN_F * best.squares) / Math.max(1, values.length - 4) ? best.line : undefined;
}

/** Undefined for values of one moment. */
function lineOf(values: readonly TimedValue[]): Line | undefined {
  const [first] = values;
  if (first === undefined) return undefined;
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
  const squares = values.reduce(
    (sum, { value }, at) => sum + (value - meanValue - slope * ((times[at] ?? 0) - meanTime)) ** 2,
    0,
  );
  return { change: slope * (times.at(-1) ?? 0), squares, noise: Math.sqrt(squares / values.length) };
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
