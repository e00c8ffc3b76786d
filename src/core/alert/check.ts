import { ladder } from './compile.ts';
import type { AlertsConfig, RuleFields } from './config.ts';
import { effectiveRule, namedMetrics, WILDCARD } from './effective.ts';
import type { EffectiveRule } from './effective.ts';
import { SCOPES } from './config.ts';
import { noiseOf } from './kind/threshold.ts';

/** A rule that cannot be meant, and the place in the `alerts:` section to point at. */
export interface RuleFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/**
 * What no single field shows: limits that exclude each other once the layers are merged. Checked for the defaults and
 * for each override on top of them; where several overrides meet in a sensor is looked at by `checkMeetings`.
 */
export function checkRules(config: AlertsConfig): readonly RuleFault[] {
  const faults = checkLayer(config, [], ['metrics'], config.metrics);
  config.overrides.forEach((override, index) => {
    const given = SCOPES.filter((scope) => override[scope] !== undefined);
    if (given.length !== 1)
      faults.push({
        path: ['overrides', index],
        message: `needs exactly one of ${SCOPES.join(', ')}; it has ${given.join(', ') || 'none'}`,
      });
    else faults.push(...checkLayer(config, [index], ['overrides', index, 'metrics'], override.metrics));
  });
  return faults;
}

function checkLayer(
  config: AlertsConfig,
  overrides: readonly number[],
  path: readonly (string | number)[],
  layer: Readonly<Record<string, RuleFields>>,
): RuleFault[] {
  // An override of "*" can break what another layer says of a metric by name.
  const names = Object.keys(layer).includes(WILDCARD)
    ? [...namedMetrics(config, overrides), WILDCARD]
    : Object.keys(layer);
  return names.flatMap((metric) => {
    const at = Object.hasOwn(layer, metric) ? metric : WILDCARD;
    return faultsOf(effectiveRule(config, overrides, metric)).map(({ field, message }) => ({
      // Points at the field where this layer gives it, else at the metric.
      path: [...path, at, ...(Object.hasOwn(layer[at] ?? {}, field) ? [field] : [])],
      message,
    }));
  });
}

interface FieldFault {
  readonly field: keyof RuleFields;
  readonly message: string;
}

/** Limits of one metric that exclude each other. */
export function faultsOf(rule: EffectiveRule): FieldFault[] {
  const { fields } = rule;
  const faults = [...ladderFaults(rule, 'high'), ...ladderFaults(rule, 'low')];
  const max = ladder(rule, 'high')[0]?.limit;
  const min = ladder(rule, 'low')[0]?.limit;
  if (min !== undefined && max !== undefined) {
    if (min > max) faults.push({ field: 'min', message: `min ${min} is above max ${max}` });
    else if (min + fields.hysteresis - (max - fields.hysteresis) > noiseOf(max - min, fields.hysteresis))
      faults.push({
        field: 'hysteresis',
        message:
          `hysteresis ${fields.hysteresis} leaves no value that is clear of both min ${min} and max ${max}; ` +
          `it can be ${(max - min) / 2} at most`,
      });
  }
  return faults;
}

function ladderFaults(rule: EffectiveRule, side: 'high' | 'low'): FieldFault[] {
  const levels = ladder(rule, side);
  const key = side === 'high' ? 'max' : 'min';
  return levels.flatMap((level, index): FieldFault[] => {
    const below = levels[index - 1];
    if (below === undefined) return [];
    if (below.severity === level.severity)
      return [{ field: 'levels', message: `two ${key} limits have severity ${level.severity}` }];
    const inward = side === 'high' ? level.limit < below.limit : level.limit > below.limit;
    if (!inward) return [];
    return [
      {
        field: 'levels',
        message: `${level.severity} ${key} ${level.limit} comes before ${below.severity} ${key} ${below.limit}`,
      },
    ];
  });
}
