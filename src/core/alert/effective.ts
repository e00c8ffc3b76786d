import { SCOPES } from './config.ts';
import type { AlertsConfig, DefaultFields, OverrideConfig, RuleFields, Scope } from './config.ts';

/** What selects overrides: a sensor as the rules see it. */
export interface SensorFacts {
  readonly id: number;
  readonly key: string;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
}

/** The merged fields of one metric for one sensor, and which layer each came from. */
export interface EffectiveRule {
  readonly metric: string;
  readonly fields: DefaultFields;
  readonly origins: ReadonlyMap<keyof RuleFields, string>;
}

export const WILDCARD = '*';

/** Indexes of the overrides that fit a sensor, weakest first: type < location < tag < sensor, then file order. */
export function matchingOverrides(config: AlertsConfig, sensor: SensorFacts): readonly number[] {
  return SCOPES.flatMap((scope) =>
    config.overrides.flatMap((override, index) => (matches(override, scope, sensor) ? [index] : [])),
  );
}

function matches(override: OverrideConfig, scope: Scope, sensor: SensorFacts): boolean {
  const wanted = override[scope];
  if (wanted === undefined) return false;
  switch (scope) {
    case 'type':
      return sensor.type === wanted;
    case 'location':
      return sensor.location === wanted;
    case 'tag':
      return sensor.tags.includes(wanted);
    case 'sensor':
      return sensor.key === wanted;
  }
}

export function scopeOf(override: OverrideConfig): Scope | undefined {
  return SCOPES.find((scope) => override[scope] !== undefined);
}

/** Merges per field, so that an override says only what differs. In one layer the metric's own name beats `"*"`. */
export function effectiveRule(
  config: AlertsConfig,
  overrides: readonly number[],
  metric: string,
): EffectiveRule {
  const fields: Record<string, unknown> = {};
  const origins = new Map<keyof RuleFields, string>();
  const merge = (layer: RuleFields | undefined, origin: string) => {
    for (const [name, value] of Object.entries(layer ?? {})) {
      if (value === undefined) continue;
      fields[name] = value;
      origins.set(name as keyof RuleFields, origin);
    }
  };
  merge(config.defaults, 'defaults');
  merge(own(config.metrics, WILDCARD), 'metrics.*');
  merge(own(config.metrics, metric), `metrics.${metric}`);
  for (const index of overrides) {
    const override = config.overrides[index];
    const scope = override === undefined ? undefined : scopeOf(override);
    if (override === undefined || scope === undefined) continue;
    const origin = `overrides[${index}] (${scope} ${override[scope] ?? ''})`;
    merge(own(override.metrics, WILDCARD), `${origin} *`);
    merge(own(override.metrics, metric), `${origin} ${metric}`);
  }
  return { metric, fields: fields as unknown as DefaultFields, origins };
}

/** The metrics that these layers name. */
export function namedMetrics(config: AlertsConfig, overrides: readonly number[]): readonly string[] {
  const layers = [config.metrics, ...overrides.map((index) => config.overrides[index]?.metrics ?? {})];
  const names = new Set(layers.flatMap((layer) => Object.keys(layer)));
  names.delete(WILDCARD);
  return [...names];
}

/** A metric's name may be `constructor`: only what the configuration says itself counts. */
function own(layer: Readonly<Record<string, RuleFields>>, metric: string): RuleFields | undefined {
  return Object.hasOwn(layer, metric) ? layer[metric] : undefined;
}
