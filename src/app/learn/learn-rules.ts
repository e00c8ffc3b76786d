import { formatDuration } from '../../core/duration.ts';
import type { ProposedRule, ProposedRules } from '../../learn/propose-rules.ts';

/** A rule as the configuration takes it: durations as text. */
function fieldsOf({ no_data_after: after, ...limits }: ProposedRule): Record<string, unknown> {
  return { ...limits, ...(after === undefined ? {} : { no_data_after: formatDuration(after) }) };
}

const rulesOf = (rules: ReadonlyMap<string, ProposedRule>): Record<string, unknown> =>
  Object.fromEntries([...rules].map(([metric, rule]) => [metric, fieldsOf(rule)]));

interface RulesSection {
  readonly metrics?: Record<string, unknown>;
  readonly overrides?: readonly { readonly sensor: string; readonly metrics: Record<string, unknown> }[];
}

/** The `alerts:` section of what is proposed. */
export function rulesSection({ metrics, overrides }: ProposedRules): RulesSection {
  return {
    ...(metrics.size === 0 ? {} : { metrics: rulesOf(metrics) }),
    ...(overrides.size === 0
      ? {}
      : { overrides: [...overrides].map(([sensor, rules]) => ({ sensor, metrics: rulesOf(rules) })) }),
  };
}
