import type { Millis } from '../../reading.ts';
import type { RHYTHM } from '../kind/offline.ts';
import {
  type AlertsConfig,
  type DefaultFields,
  type OfflineFields,
  type OverrideConfig,
  type RuleFields,
  SCOPES,
  type Scope,
} from './config.ts';

/** The attributes of a sensor that select overrides. */
export interface SensorFacts {
  readonly id: number;
  readonly key: string;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
  /** The key of the sensor that it sends through. */
  readonly gateway?: string | null;
  /** No rule applies to it: for good, or until its next reading. */
  readonly retired?: 'for_good' | 'until_seen' | null;
}

export const isRetired = ({ retired }: SensorFacts): boolean => (retired ?? null) !== null;

/** The merged fields of one metric for one sensor, and which layer each came from. */
export interface EffectiveRule {
  readonly metric: string;
  readonly fields: DefaultFields;
  readonly origins: ReadonlyMap<keyof RuleFields, string>;
}

export const WILDCARD = '*';

/** The overrides by their selectors: one that names a sensor must cost other sensors nothing. */
export class OverrideIndex {
  private readonly byScope: Readonly<Record<Scope, Map<string, number[]>>> = {
    type: new Map(),
    location: new Map(),
    tag: new Map(),
    sensor: new Map(),
  };

  constructor(overrides: readonly OverrideConfig[]) {
    overrides.forEach((override, index) => {
      for (const scope of SCOPES) {
        const wanted = override[scope];
        if (wanted === undefined) continue;
        const same = this.byScope[scope].get(wanted);
        if (same === undefined) this.byScope[scope].set(wanted, [index]);
        else same.push(index);
      }
    });
  }

  /** Indexes of the overrides that match a sensor, weakest first: type < location < tag < sensor, then file order. */
  matching(sensor: SensorFacts): readonly number[] {
    const { type, location, tag, sensor: keys } = this.byScope;
    const named = (map: Map<string, number[]>, value: string | null) =>
      (value === null ? undefined : map.get(value)) ?? [];
    const tagged = tag.size === 0 ? [] : [...new Set(sensor.tags)].flatMap((each) => named(tag, each));
    return [
      ...named(type, sensor.type),
      ...named(location, sensor.location),
      ...tagged.sort((a, b) => a - b),
      ...named(keys, sensor.key),
    ];
  }
}

export function scopeOf(override: OverrideConfig): Scope | undefined {
  return SCOPES.find((scope) => override[scope] !== undefined);
}

function originOf(override: OverrideConfig, index: number): string {
  const scope = scopeOf(override);
  return `overrides[${index}] (${scope ?? ''} ${scope === undefined ? '' : (override[scope] ?? '')})`;
}

/** Merges per field: an override sets only what differs. Within a layer the metric's own name takes precedence over `"*"`. */
export function effectiveRule(
  config: AlertsConfig,
  overrides: readonly number[],
  metric: string,
): EffectiveRule {
  const fields: Record<string, unknown> = {};
  const origins = new Map<keyof RuleFields, string>();
  const merge = (layer: RuleFields | undefined, origin: string) =>
    mergeFields({ fields, origins }, layer, origin);
  merge(config.defaults, 'defaults');
  merge(own(config.metrics, WILDCARD), 'metrics.*');
  merge(own(config.metrics, metric), `metrics.${metric}`);
  for (const index of overrides) {
    const override = config.overrides[index];
    if (override === undefined || scopeOf(override) === undefined) continue;
    const origin = originOf(override, index);
    merge(own(override.metrics, WILDCARD), `${origin} *`);
    merge(own(override.metrics, metric), `${origin} ${metric}`);
  }
  return { metric, fields: fields as unknown as DefaultFields, origins };
}

/**
 * The merged fields of the alert about the sensor itself, and when it is offline: undefined where no scope says so. Its common
 * fields are those of the defaults, and of `offline` in each scope.
 */
export function effectiveOffline(
  config: AlertsConfig,
  overrides: readonly number[],
):
  | { readonly rule: EffectiveRule; readonly after: Millis | typeof RHYTHM; readonly from: string }
  | undefined {
  const fields: Record<string, unknown> = { ...config.defaults };
  const origins = new Map<keyof RuleFields, string>();
  let after: OfflineFields['offline_after'];
  let from = '';
  const merge = ({ offline_after, offline }: OfflineFields, origin: string) => {
    if (offline_after !== undefined) [after, from] = [offline_after, origin];
    mergeFields({ fields, origins }, offline, origin);
  };
  merge(config, 'offline');
  for (const index of overrides) {
    const override = config.overrides[index];
    if (override !== undefined) merge(override, `${originOf(override, index)} offline`);
  }
  if (after === undefined || after === null) return undefined;
  return { rule: { metric: '', fields: fields as unknown as DefaultFields, origins }, after, from };
}

interface Merged {
  readonly fields: Record<string, unknown>;
  readonly origins: Map<keyof RuleFields, string>;
}

function mergeFields({ fields, origins }: Merged, layer: RuleFields | undefined, origin: string): void {
  for (const [name, value] of Object.entries(layer ?? {})) {
    if (value === undefined) continue;
    // Each scope adds its labels; every other field takes the place of a wider scope's.
    fields[name] = name === 'labels' ? { ...(fields['labels'] as object), ...(value as object) } : value;
    origins.set(name as keyof RuleFields, origin);
  }
}

/** The metrics that these layers name. */
export function namedMetrics(config: AlertsConfig, overrides: readonly number[]): readonly string[] {
  const layers = [config.metrics, ...overrides.map((index) => config.overrides[index]?.metrics ?? {})];
  const names = new Set(layers.flatMap((layer) => Object.keys(layer)));
  names.delete(WILDCARD);
  return [...names];
}

/** A metric may be named `constructor`: only own properties count. */
function own(layer: Readonly<Record<string, RuleFields>>, metric: string): RuleFields | undefined {
  return Object.hasOwn(layer, metric) ? layer[metric] : undefined;
}
