import type { Micros, Millis } from '../reading.ts';
import { judgeAnomaly } from './kind/anomaly.ts';
import type { Window } from './kind/anomaly.ts';
import { ratePerMinute } from './kind/rate.ts';
import { judgeThreshold } from './kind/threshold.ts';
import type { Condition } from './rule.ts';
import type { LastEvent, Verdict } from './state.ts';

/** A number of one metric at the moment it is evaluated, and what was evaluated before. */
export interface Sample {
  readonly value: number;
  readonly timeUs: Micros;
  readonly gap: boolean;
  readonly last: LastEvent | undefined;
  readonly window: Window;
}

/** The rule kinds: they share the state machine and differ in breach and clear alone. */
export function judge(condition: Condition, sample: Sample): Verdict | undefined {
  switch (condition.kind) {
    case 'threshold':
      return judgeThreshold(condition, sample.value);
    case 'rate': {
      const rate = ratePerMinute(sample.value, sample.timeUs, sample.last, sample.gap);
      return rate === undefined ? undefined : judgeThreshold(condition, rate);
    }
    case 'anomaly':
      return judgeAnomaly(condition, sample.value, sample.window);
    case 'no_data':
    case 'offline':
      return undefined;
  }
}

/** What is known of a metric when its rule changes. */
export interface Known {
  readonly last: LastEvent | undefined;
  readonly window: Window;
  /** When it was last heard, and the clock now. */
  readonly heardMs: Millis | undefined;
  readonly nowMs: Millis;
}

/** The last value under a new rule. A rate needs two readings: the next one will tell. */
export function rejudge(condition: Condition, { last, window, heardMs, nowMs }: Known): Verdict | undefined {
  switch (condition.kind) {
    case 'threshold':
      return last === undefined ? undefined : judgeThreshold(condition, last.value);
    case 'anomaly':
      return last === undefined ? undefined : judgeAnomaly(condition, last.value, window);
    case 'no_data':
      return heardMs === undefined ? undefined : judgeThreshold(condition, (nowMs - heardMs) / 1000);
    case 'rate':
    case 'offline':
      return undefined;
  }
}
