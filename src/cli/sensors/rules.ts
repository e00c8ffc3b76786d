import { asWritten } from '../../config/walk.ts';
import { kindFields } from '../../core/alert/kind/index.ts';
import { commonFields } from '../../core/alert/rules/common-fields.ts';
import type { AlertsConfig } from '../../core/alert/rules/config.ts';
import type { SensorFacts } from '../../core/alert/rules/effective.ts';
import { RuleSet } from '../../core/alert/rules/rule-set.ts';
import { formatDuration } from '../../core/duration.ts';
import type * as z from '../../core/schema/zod.ts';
import type { Column } from '../output/table.ts';

/** One field of a rule that a sensor has, and the layer of the configuration that it comes from. */
export interface RuleField {
  readonly metric: string;
  readonly field: string;
  readonly value: unknown;
  readonly from: string;
}

const FIELDS: Readonly<Record<string, z.core.$ZodType>> = { ...commonFields, ...kindFields };

/** The rules that apply to a sensor, field by field; `metrics` are those it sends, for rules that only "*" covers. */
export function sensorRules(
  config: AlertsConfig,
  sensor: SensorFacts,
  metrics: readonly string[],
): readonly RuleField[] {
  const rules = new RuleSet(config);
  return [...offlineFields(rules, sensor), ...metricFields(rules, sensor, metrics)];
}

/** Rules of the sensor itself, without a metric. */
function offlineFields(rules: RuleSet, sensor: SensorFacts): readonly RuleField[] {
  const offline = rules.effectiveOffline(sensor);
  if (offline === undefined) return [];
  const { after, from, rule } = offline;
  const value = typeof after === 'number' ? formatDuration(after) : after;
  const { severity } = rule.fields;
  return [
    { metric: '', field: 'offline_after', value, from },
    { metric: '', field: 'severity', value: severity, from: rule.origins.get('severity') ?? 'defaults' },
  ];
}

function metricFields(rules: RuleSet, sensor: SensorFacts, metrics: readonly string[]): readonly RuleField[] {
  return rules.effectiveRules(sensor, metrics).flatMap(({ metric, fields, origins }) =>
    Object.entries(fields).map(([field, value]) => {
      const schema = FIELDS[field];
      return {
        metric,
        field,
        value: schema === undefined ? value : asWritten(schema, value),
        from: origins.get(field as keyof typeof fields) ?? '',
      };
    }),
  );
}

export const RULE_COLUMNS: readonly Column<RuleField>[] = [
  { title: 'rule', value: ({ metric }) => metric },
  { title: 'field', value: ({ field }) => field },
  { title: 'value', value: ({ value }) => (typeof value === 'string' ? value : JSON.stringify(value)) },
  { title: 'from', value: ({ from }) => from },
];
