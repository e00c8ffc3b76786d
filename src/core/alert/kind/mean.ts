import { formatDuration } from '../../duration.ts';
import { type ConditionShape, type RuleValues, defineKind, limit, oneLevel } from './rule-kind.ts';
import { evaluateThreshold, sideFaults } from './limits.ts';
import { DEFAULT_WINDOW_MS, heldUntil, statisticsOf, windowField } from './time-window.ts';

const fields = {
  max_mean: limit('fires when the mean over window is above this'),
  min_mean: limit('fires when the mean over window is below this'),
  window: windowField,
};

/** The mean of a time, weighted by how long each value held: a short peak hardly counts. */
export const mean = defineKind({
  fields,
  suffixes: ['mean_high', 'mean_low'],
  limitOnCurve: 'rule',
  sentences: { subject: 'subject_mean' },
  conditions: (values) => [
    ...condition(values, 'high', values.max_mean),
    ...condition(values, 'low', values.min_mean),
  ],
  faults: ({ min_mean: min, max_mean: max, hysteresis }) =>
    typeof min === 'number' && typeof max === 'number'
      ? sideFaults(['min_mean', min], ['max_mean', max], hysteresis)
      : [],
  evaluate(condition, sample) {
    const statistics = statisticsOf(condition, heldUntil(condition, sample), sample.timeUs);
    return statistics === undefined ? undefined : evaluateThreshold(condition, statistics.mean);
  },
  /** With the next reading, which ends how long the last one held. */
  reevaluate: () => undefined,
  remember: heldUntil,
  subject: ({ metric, window }) => `mean of ${metric} over ${formatDuration(window / 1000)}`,
});

function condition(
  values: RuleValues<typeof fields>,
  side: 'high' | 'low',
  limitOfSide: number | null | undefined,
): ConditionShape[] {
  if (typeof limitOfSide !== 'number') return [];
  const { hysteresis, window = DEFAULT_WINDOW_MS, min_samples: samples } = values;
  const levels = oneLevel(values, limitOfSide);
  return [
    { side, suffix: `mean_${side}`, levels, hysteresis, minSamples: 1, window: window * 1000, samples },
  ];
}
