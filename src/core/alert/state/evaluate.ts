import type { Micros, Millis } from '../../reading.ts';
import { type Window, evaluateAnomaly } from '../kind/anomaly.ts';
import { ratePerMinute } from '../kind/rate.ts';
import { evaluateThreshold } from '../kind/threshold.ts';
import type { Condition } from '../rules/condition.ts';
import type { LastEvent, Evaluation } from './state.ts';

/** A number of one metric and what was evaluated before it. */
export interface Sample {
  readonly value: number;
  readonly timeUs: Micros;
  readonly gap: boolean;
  readonly last: LastEvent | undefined;
  readonly window: Window;
}

/** Evaluates by rule kind: the kinds share the state machine and differ only in breach and clear. */
export function evaluate(condition: Condition, sample: Sample): Evaluation | undefined {
  switch (condition.kind) {
    case 'threshold':
      return evaluateThreshold(condition, sample.value);
    case 'rate': {
      const rate = ratePerMinute(sample.value, sample.timeUs, sample.last, sample.gap);
      return rate === undefined ? undefined : evaluateThreshold(condition, rate);
    }
    case 'anomaly':
      return evaluateAnomaly(condition, sample.value, sample.window);
    case 'no_data':
    case 'offline':
      return undefined;
  }
}

/** The known values of a metric when its rule changes. */
export interface Known {
  readonly last: LastEvent | undefined;
  readonly window: Window;
  /** When it was last received, and the current time. */
  readonly lastReceivedMs: Millis | undefined;
  readonly nowMs: Millis;
}

/** The last value under a new rule. A rate needs two readings: it is evaluated with the next one. */
export function reevaluate(
  condition: Condition,
  { last, window, lastReceivedMs, nowMs }: Known,
): Evaluation | undefined {
  switch (condition.kind) {
    case 'threshold':
      return last === undefined ? undefined : evaluateThreshold(condition, last.value);
    case 'anomaly':
      return last === undefined ? undefined : evaluateAnomaly(condition, last.value, window);
    case 'no_data':
      return lastReceivedMs === undefined
        ? undefined
        : evaluateThreshold(condition, (nowMs - lastReceivedMs) / 1000);
    case 'rate':
    case 'offline':
      return undefined;
  }
}
