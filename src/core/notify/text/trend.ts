import { toSignificant } from '../../format-number.ts';
import type { Millis } from '../../reading.ts';
import type { Trend } from './language.ts';

export interface TimedValue {
  readonly timeMs: Millis;
  readonly value: number;
}

const LEAST = 3;
/** So many must have stayed where they are before it is said that they do, after a change for so long at least. */
const LEAST_STEADY = 5;
const LEAST_STEADY_MS = 5 * 60_000;
/** Two lines have four parameters: with so few values they explain anything. */
const LEAST_OF_TWO = LEAST + 2;
/** The F of a test of two lines against one; large, since the best of all turning points is taken. */
const TURN_F = 10;
/** How far a change must stand out of the noise: that of the last values alone further, since it was chosen by them. */
const OUTSTANDING = 2;
const OUTSTANDING_TURN = 5;
/** How often a jump is as large as the usual step between two values, and as the last of their digits. */
const OUTSTANDING_JUMP = 5;
/** Significant digits, without the noise of binary fractions. */
const SIGNIFICANT = 7;

/**
 * Trend of values up to a moment, in the order of time. Where they have turned, as just after a peak, it is the change of the values
 * since; where they have just jumped, the jump; else the change of their line of best fit, against their distance from it. Undefined
 * where they are too few to tell: fewer than three, or fewer than five (after a turn also less than five minutes) that neither rise nor fall.
 */
export function trendOf(values: readonly TimedValue[]): Trend | undefined {
  if (values.length < LEAST) return undefined;
  const whole = lineOf(values);
  if (whole === undefined) return undefined;
  const size = Math.max(...values.map(({ value }) => Math.abs(value)));
  const directionOf = ({ change, noise }: Line, least: number): Trend | undefined => {
    if (Math.abs(change) <= least * noise || Math.abs(change) <= 1e-9 * size) return undefined;
    return change > 0 ? 'rising' : 'falling';
  };
  const since = sinceTurn(values, whole);
  const turned = since === undefined ? undefined : directionOf(since, OUTSTANDING_TURN);
  const moving =
    turned ?? jumpOf(values) ?? (since === undefined ? directionOf(whole, OUTSTANDING) : undefined);
  if (moving !== undefined) return moving;
  const isLong = since === undefined || since.ms >= LEAST_STEADY_MS;
  return (since?.values ?? values.length) < LEAST_STEADY || !isLong ? undefined : 'steady';
}

/** A value beyond a limit, just when that is said. */
export interface Alarm extends TimedValue {
  /** The limit is a lower one. */
  readonly low: boolean;
}

/**
 * The trend at an alarm. The reading that raised it belongs to it, though it may not be stored yet, or be by microseconds younger than
 * what was asked for. And where the last step led out of the limit, what came before it cannot say that the value is on its way back.
 */
export function trendAt(values: readonly TimedValue[], alarm: Alarm): Trend | undefined {
  const { timeMs, value, low } = alarm;
  const isMissing = (values.at(-1)?.timeMs ?? -Infinity) < Math.floor(timeMs);
  const all = isMissing ? [...values, { timeMs, value }] : values;
  const trend = trendOf(trendWindow(all));
  const [before, last] = all.slice(-2);
  const step = (last?.value ?? 0) - (before?.value ?? 0);
  return trend === (low ? 'rising' : 'falling') && (low ? step < 0 : step > 0) ? undefined : trend;
}

/** A recent step that stands out, half of which no later value has reversed. */
function jumpOf(values: readonly TimedValue[]): Trend | undefined {
  const numbers = values.map(({ value }) => value);
  const steps = numbers.slice(1).map((value, index) => value - (numbers[index] ?? value));
  const sizes = steps.map(Math.abs).sort((a, b) => a - b);
  const usual = Math.max(sizes[Math.floor((sizes.length - 1) / 2)] ?? 0, lastDigitOf(numbers));
  const nowMs = values.at(-1)?.timeMs ?? 0;
  for (let at = numbers.length - 1; at >= 1; at--) {
    const isNew = numbers.length - at < LEAST_STEADY || nowMs - (values[at]?.timeMs ?? 0) < LEAST_STEADY_MS;
    if (!isNew) return undefined;
    const [step = 0, after = 0] = [steps[at - 1], numbers[at]];
    if (Math.abs(step) <= OUTSTANDING_JUMP * usual) continue;
    const middle = after - step / 2;
    if (numbers.slice(at).every((value) => (step > 0 ? value > middle : value < middle)))
      return step > 0 ? 'rising' : 'falling';
  }
  return undefined;
}

/** The value of the last digit of the most exact one: 0.1 of 5 and 5.1. */
function lastDigitOf(numbers: readonly number[]): number {
  const decimals = numbers.map((value) => /\.(\d+)/.exec(String(toSignificant(value, SIGNIFICANT)))?.[1]);
  return 10 ** -Math.max(...decimals.map((digits) => digits?.length ?? 0));
}

/** How far back a trend looks: so many values at least, and so far. */
const WINDOW_VALUES = 20;
const WINDOW_MS = 10 * 60_000;
/** More of them are thinned: of a sensor that sends twice a second the newest 20 are the last ten seconds. */
const MOST = 60;

/** The newest values, those that decide a trend. */
export function trendWindow(values: readonly TimedValue[]): readonly TimedValue[] {
  const fromMs = (values.at(-1)?.timeMs ?? 0) - WINDOW_MS;
  const inTime = values.filter(({ timeMs }) => timeMs >= fromMs);
  const window = inTime.length > WINDOW_VALUES ? inTime : values.slice(-WINDOW_VALUES);
  const every = Math.ceil(window.length / MOST);
  return window.filter((_, at) => (window.length - 1 - at) % every === 0);
}

interface Line {
  /** How many, in how much time. */
  readonly values: number;
  readonly ms: number;
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
  return {
    values: values.length,
    ms: (values.at(-1)?.timeMs ?? first.timeMs) - first.timeMs,
    change: slope * (times.at(-1) ?? 0),
    squares,
    noise: Math.sqrt(squares / values.length),
  };
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
