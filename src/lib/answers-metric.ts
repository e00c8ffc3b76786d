import type { Counter, Metrics } from '../ports/metrics.ts';

/** Counts what was done from notifications and from messages. */
export const answersMetric = (metrics: Metrics): Counter =>
  metrics.counter(
    'fieldwatch_notify_answers_total',
    'Alerts that were acknowledged or silenced from outside, by channel and outcome',
    ['way', 'outcome'],
  );
