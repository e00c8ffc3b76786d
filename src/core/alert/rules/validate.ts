import { ALL_KINDS } from '../kind/index.ts';
import type { FieldFault } from '../kind/rule-kind.ts';
import { type AlertsConfig, type RuleFields, SCOPES } from './config.ts';
import {
  type EffectiveRule,
  OverrideIndex,
  type SensorFacts,
  WILDCARD,
  effectiveRule,
  namedMetrics,
  scopeOf,
} from './effective.ts';

/** An invalid rule, and its place in the `alerts:` section. */
export interface RuleFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/**
 * Finds what no single field shows: limits that exclude each other once the layers are merged. Checks the defaults
 * and each override on top of them; `overrideConflicts` checks overrides that match the same sensor.
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
  // An override of "*" can conflict with what another layer sets for a named metric.
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

/** Limits that exclude each other: of any kind. */
export const faultsOf = ({ fields }: EffectiveRule): readonly FieldFault[] =>
  ALL_KINDS.flatMap(([, kind]) => kind.faults?.(fields) ?? []);

/** The keys of the sensors that they share. */
export interface OverrideConflict extends RuleFault {
  /** Each conflicting combination of overrides once, however many sensors it affects. */
  readonly sensors: readonly string[];
}

const NAMED = 3;

/** Conflicts with the rules for all sensors are found without any sensor. */
export function overrideConflicts(
  config: AlertsConfig,
  sensors: Iterable<SensorFacts>,
): readonly OverrideConflict[] {
  const index = new OverrideIndex(config.overrides);
  const met = new Map<string, { readonly overrides: readonly number[]; readonly keys: string[] }>();
  for (const sensor of sensors) {
    const overrides = index.matching(sensor);
    // The strongest override that sets the field.
    if (overrides.length < 2) continue;
    const signature = overrides.join();
    const same = met.get(signature);
    if (same === undefined) met.set(signature, { overrides, keys: [sensor.key] });
    else same.keys.push(sensor.key);
  }
  return [...met.values()].flatMap(({ overrides, keys }) => faultsIn(config, overrides, keys));
}

function faultsIn(
  config: AlertsConfig,
  overrides: readonly number[],
  sensors: readonly string[],
): readonly OverrideConflict[] {
  const scopes = overrides.map((at) => scopeText(config, at)).join(' and ');
  return [...namedMetrics(config, overrides), WILDCARD].flatMap((metric) =>
    faultsOf(effectiveRule(config, overrides, metric)).map(({ field, message }) => ({
      path: placeOf(config, overrides, metric, field),
      message: `${metric}: ${message} where ${scopes} meet: ${keysText(sensors)}`,
      sensors,
    })),
  );
}

/** The strongest override that says something of the field. */
function placeOf(
  config: AlertsConfig,
  overrides: readonly number[],
  metric: string,
  field: string,
): RuleFault['path'] {
  for (const at of overrides.toReversed())
    for (const name of [metric, WILDCARD]) {
      const rules = config.overrides[at]?.metrics ?? {};
      if (Object.hasOwn(rules, name) && Object.hasOwn(rules[name] ?? {}, field))
        return ['overrides', at, 'metrics', name, field];
    }
  return ['overrides', overrides.at(-1) ?? 0];
}

function scopeText(config: AlertsConfig, at: number): string {
  const override = config.overrides[at];
  const scope = override === undefined ? undefined : scopeOf(override);
  return scope === undefined ? '' : `${scope} ${override?.[scope] ?? ''}`;
}

function keysText(keys: readonly string[]): string {
  const more = keys.length - NAMED;
  return `sensor ${keys.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
