import type { Condition } from '../rules/condition.ts';
import type { Evaluation } from '../state/state.ts';
import { defineKind } from './rule-kind.ts';
import { ending, show } from './texts.ts';

/** Open alerts of other sensors: the conditions are made of `alerts.counts` (`countRule`), and evaluated by `Counters`. */
export const count = defineKind({
  fields: {},
  suffixes: [],
  measure: 'open alerts',
  includesLimit: true,
  unit: () => undefined,
  sentences: {
    ...{ crossing: () => 'counted', open: () => 'counted' },
    end: { value: 'end_counted' },
    ...{ group: null, groupEnd: null },
  },
  conditions: () => [],
  evaluate: (condition, { value }) => enough(condition, value),
  reevaluate: (condition, { last }) => (last === undefined ? undefined : enough(condition, last.value)),
  message(_, { metric, levels }, effect) {
    const open = `${metric}: ${show(effect.value ?? 0)} alerts are open`;
    const least = show(levels[0]?.limit ?? 0);
    if (effect.transition !== 'resolved') return `${open}, at least ${least}`;
    return effect.reason === 'value' ? `${open}, fewer than ${least}` : `${metric}: ${ending(effect)}`;
  },
});

/** The limit itself is reached: `at_least`. */
function enough({ levels }: Condition, value: number): Evaluation {
  const limits = levels.map(({ limit }) => limit);
  const breached = limits.findLastIndex((limit) => value >= limit);
  return { value, breached, held: breached, excess: value, limits };
}
