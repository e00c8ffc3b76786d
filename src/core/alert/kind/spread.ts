import { formatDuration } from '../../duration.ts';
import { defineKind, oneLevel, positiveLimit } from './rule-kind.ts';
import { evaluateThreshold } from './limits.ts';
import { DEFAULT_WINDOW_MS, heldUntil, statisticsOf, windowField } from './time-window.ts';

/** The standard deviation over a time, weighted by how long each value held: a control loop that swings. */
export const spread = defineKind({
  fields: {
    max_spread: positiveLimit('fires when the standard deviation over window is above this'),
    window: windowField,
  },
  suffixes: ['spread_high'],
  sentences: { subject: 'subject_spread' },
  conditions(values) {
    const { max_spread: max, hysteresis, window = DEFAULT_WINDOW_MS, min_samples: samples } = values;
    if (typeof max !== 'number') return [];
    const shape = { side: 'high', suffix: 'spread_high', levels: oneLevel(values, max) } as const;
    return [{ ...shape, hysteresis, minSamples: 1, window: window * 1000, samples }];
  },
  evaluate(condition, sample) {
    const statistics = statisticsOf(condition, heldUntil(condition, sample), sample.timeUs);
    return statistics === undefined ? undefined : evaluateThreshold(condition, statistics.deviation);
  },
  reevaluate: () => undefined,
  remember: heldUntil,
  subject: ({ metric, window }) => `spread of ${metric} over ${formatDuration(window / 1000)}`,
});
