import { faultsOf } from './check.ts';
import type { RuleFault } from './check.ts';
import type { AlertsConfig, RuleFields } from './config.ts';
import { effectiveRule, namedMetrics, OverrideIndex, scopeOf, WILDCARD } from './effective.ts';
import type { SensorFacts } from './effective.ts';

/** Overrides that are fine each on its own, and exclude each other in a sensor that several of them fit. */
export interface Meeting extends RuleFault {
  /** The keys of the sensors in which they meet. */
  readonly sensors: readonly string[];
}

const NAMED = 3;

/** Each combination of overrides that cannot be meant once, however many sensors it is found in. */
export function checkMeetings(config: AlertsConfig, sensors: Iterable<SensorFacts>): readonly Meeting[] {
  const index = new OverrideIndex(config.overrides);
  const met = new Map<string, { readonly overrides: readonly number[]; readonly keys: string[] }>();
  for (const sensor of sensors) {
    const overrides = index.matching(sensor);
    // What one override does to the rules for all is known without any sensor.
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
): readonly Meeting[] {
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
  field: keyof RuleFields,
): RuleFault['path'] {
  for (const at of overrides.toReversed())
    for (const name of [metric, WILDCARD]) {
      const rules = config.overrides[at]?.metrics ?? {};
      if (Object.hasOwn(rules, name) && rules[name]?.[field] !== undefined)
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
