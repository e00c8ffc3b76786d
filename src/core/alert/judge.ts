import type { Micros } from '../reading.ts';
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
      return undefined;
  }
}

/** The last value under a new rule. A rate needs two readings: the next one will tell. */
export function rejudge(condition: Condition, last: LastEvent | undefined): Verdict | undefined {
  return condition.kind === 'threshold' && last !== undefined
    ? judgeThreshold(condition, last.value)
    : undefined;
}
