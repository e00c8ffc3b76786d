import type { Micros } from '../../reading.ts';
import {
  type MetricRule,
  compileRule,
  countRule,
  messagesRule,
  offlineRule,
  partnerRule,
} from './compile.ts';
import { type AlertsConfig, countKey } from './config.ts';
import {
  type EffectiveRule,
  OverrideIndex,
  type SensorFacts,
  WILDCARD,
  effectiveOffline,
  effectiveRule,
  isRetired,
  namedMetrics,
} from './effective.ts';

/** The compiled rules of one sensor; one object serves all sensors that the same overrides match. */
export interface SensorRules {
  /** The metrics that the configuration names and that have a rule. */
  readonly named: readonly MetricRule[];
  /** For the sensor itself: by `offline_after`; else for one that never sent anything, if the silence of any named metric is watched. */
  readonly offline: MetricRule | undefined;
  /** For a sensor that reports itself offline: the same, or if the silence of any other metric is watched. */
  readonly away: MetricRule | undefined;
  /** Every message of the sensor counts (`offline_after`). */
  readonly countsMessages: boolean;
  /** The silence of a named metric is watched. */
  readonly missesMetrics: boolean;
  /** Metrics that others are compared with. */
  readonly compared: ReadonlySet<string>;
  /** True if `"*"` has rules for metrics that are not named. */
  readonly wildcard: boolean;
  /** The rule of any metric, or undefined if it has none. */
  ruleOf(metric: string): MetricRule | undefined;
}

/** A valid configuration, compiled on demand. */
export class RuleSet {
  readonly config: AlertsConfig;
  readonly futureSkewUs: Micros;
  private readonly bySignature = new Map<string, SensorRules>();
  private readonly index: OverrideIndex;
  private readonly compiled: Compiler;
  /** Metrics that are compared with those of other sensors, by the key of their own. */
  private readonly partners: ReadonlyMap<string, ReadonlySet<string>>;
  /** By the key of the sensor that carries the alert. */
  private readonly counts: ReadonlyMap<string, SensorRules>;

  constructor(config: AlertsConfig) {
    this.config = config;
    this.futureSkewUs = config.max_future_skew * 1000;
    this.index = new OverrideIndex(config.overrides);
    this.compiled = new Compiler(config);
    this.partners = partnersOf(config);
    this.counts = new Map(
      (config.counts ?? []).map((each) => [
        countKey(each.name),
        { ...NO_RULES, named: [countRule(each, config)] },
      ]),
    );
  }

  /** Whether an alert of one sensor depends on the values or the alerts of others, apart from what suppresses it. */
  get relatesSensors(): boolean {
    return this.counts.size > 0 || this.partners.size > 0;
  }

  /** Whether the values of a sensor are compared with those of another. */
  isPartner(sensor: SensorFacts): boolean {
    return this.partners.has(sensor.key);
  }

  /** The sensor is one that carries the alert of a count. */
  isCount(sensor: SensorFacts): boolean {
    return this.counts.has(sensor.key);
  }

  /** Compiled once per combination of overrides, not per sensor. */
  rulesFor(sensor: SensorFacts): SensorRules {
    if (isRetired(sensor)) return NO_RULES;
    const count = this.counts.get(sensor.key);
    if (count !== undefined) return count;
    const overrides = this.index.matching(sensor);
    const compared = this.partners.get(sensor.key) ?? NONE;
    const signature =
      compared.size === 0 ? overrides.join() : `${overrides.join()} ${JSON.stringify([...compared])}`;
    let rules = this.bySignature.get(signature);
    if (rules === undefined) {
      rules = new CompiledRules(this.compiled, overrides, compared);
      this.bySignature.set(signature, rules);
    }
    return rules;
  }

  /** How far back a sensor's readings matter; undefined if no rule covers it. */
  longestStaleUs(sensor: SensorFacts): Micros | undefined {
    const compiled = this.rulesFor(sensor);
    const rules = compiled.wildcard ? [...compiled.named, compiled.ruleOf(WILDCARD)] : compiled.named;
    return rules.reduce<Micros | undefined>(
      (longest, rule) => Math.max(longest ?? 0, rule?.staleAfterUs ?? 0),
      undefined,
    );
  }

  /** The metrics of a sensor that its rules are about; undefined: any may be. */
  metricsOf(sensor: SensorFacts): readonly string[] | undefined {
    const { named, wildcard } = this.rulesFor(sensor);
    return wildcard ? undefined : named.map(({ metric }) => metric);
  }

  /** Whether the silence of a sensor is watched, even before it ever sent anything. */
  watchesSilence(sensor: SensorFacts): boolean {
    return this.rulesFor(sensor).offline !== undefined;
  }

  /** Whether that of its metrics is watched as well. */
  missesMetrics(sensor: SensorFacts): boolean {
    return this.rulesFor(sensor).missesMetrics;
  }

  /** Whether any rule is about missing data. */
  get missesAnything(): boolean {
    const { offline_after: after, defaults, metrics, overrides } = this.config;
    const layers = [
      defaults,
      ...Object.values(metrics),
      ...overrides.flatMap((each) => Object.values(each.metrics)),
    ];
    return (
      [after, ...overrides.map((each) => each.offline_after)].some((each) => (each ?? null) !== null) ||
      layers.some((layer) => (layer.no_data_after ?? null) !== null)
    );
  }

  /** For display: when the sensor itself is missed, and where that comes from. */
  effectiveOffline(sensor: SensorFacts): ReturnType<typeof effectiveOffline> {
    return isRetired(sensor) ? undefined : effectiveOffline(this.config, this.index.matching(sensor));
  }

  /** For display: each rule of a sensor with the origin of each field. `metrics` adds those that only `"*"` covers. */
  effectiveRules(sensor: SensorFacts, metrics: Iterable<string> = []): readonly EffectiveRule[] {
    if (isRetired(sensor)) return [];
    const overrides = this.index.matching(sensor);
    const names = new Set([...namedMetrics(this.config, overrides), ...metrics]);
    return [...names]
      .map((metric) => effectiveRule(this.config, overrides, metric))
      .filter((rule) => compileRule(rule, this.config) !== undefined);
  }
}

const NO_RULES: SensorRules = {
  named: [],
  offline: undefined,
  away: undefined,
  countsMessages: false,
  missesMetrics: false,
  compared: new Set(),
  wildcard: false,
  ruleOf: () => undefined,
};

/** Compiles the merged layers of a metric; equal results share one object. */
class Compiler {
  readonly config: AlertsConfig;
  private readonly byFields = new Map<string, MetricRule>();

  constructor(config: AlertsConfig) {
    this.config = config;
  }

  compile(overrides: readonly number[], metric: string): MetricRule | undefined {
    const effective = effectiveRule(this.config, overrides, metric);
    const key = JSON.stringify([metric, effective.fields]);
    const known = this.byFields.get(key);
    if (known !== undefined) return known;
    const rule = compileRule(effective, this.config);
    if (rule !== undefined && this.byFields.size < REMEMBERED) this.byFields.set(key, rule);
    return rule;
  }

  /** The rule of a metric, which has none of its own unless `"*"` covers it, that another one is compared with. */
  partner(overrides: readonly number[], metric: string): MetricRule {
    return (
      this.compile(overrides, metric) ??
      partnerRule(effectiveRule(this.config, overrides, metric), this.config)
    );
  }
}

const NONE: ReadonlySet<string> = new Set();

/** The metrics of the same sensor that these are compared with. */
const partnersAmong = (rules: readonly MetricRule[]): readonly string[] =>
  rules.flatMap(({ conditions }) =>
    conditions.flatMap(({ minus }) =>
      minus === undefined || minus.sensor !== undefined ? [] : minus.metric,
    ),
  );

/** The metrics of other sensors that any layer compares with, by the sensor's key. */
function partnersOf({ metrics, overrides }: AlertsConfig): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const layer of [metrics, ...overrides.map((each) => each.metrics)])
    for (const { difference } of Object.values(layer)) {
      const { sensor, metric } = difference?.minus ?? {};
      if (sensor === undefined || metric === undefined) continue;
      const same = found.get(sensor);
      if (same === undefined) found.set(sensor, new Set([metric]));
      else same.add(metric);
    }
  return found;
}

/** Names come from payloads: what `"*"` covers is cached up to a bound, and compiled each time beyond it. */
const REMEMBERED = 10_000;

class CompiledRules implements SensorRules {
  readonly named: readonly MetricRule[];
  readonly offline: MetricRule | undefined;
  readonly away: MetricRule | undefined;
  readonly wildcard: boolean;
  readonly countsMessages: boolean;
  readonly missesMetrics: boolean;
  readonly compared: ReadonlySet<string>;
  private readonly compiler: Compiler;
  private readonly overrides: readonly number[];
  private readonly byMetric = new Map<string, MetricRule | undefined>();

  constructor(compiler: Compiler, overrides: readonly number[], compared: ReadonlySet<string>) {
    this.compiler = compiler;
    this.overrides = overrides;
    const names = namedMetrics(compiler.config, overrides);
    const ruled = names.flatMap((metric) => compiler.compile(overrides, metric) ?? []);
    this.compared = new Set([...compared, ...partnersAmong(ruled)]);
    const partners = new Set(this.compared);
    for (const { metric } of ruled) partners.delete(metric);
    this.named = [...ruled, ...[...partners].map((metric) => compiler.partner(overrides, metric))];
    const others = compiler.compile(overrides, WILDCARD);
    const unheard = offlineRule(this.named);
    const offline = effectiveOffline(compiler.config, overrides);
    this.offline = offline === undefined ? unheard : messagesRule(offline, compiler.config, unheard);
    this.away = this.offline ?? (others === undefined ? undefined : offlineRule([others]));
    this.wildcard = others !== undefined;
    this.countsMessages = this.offline?.countsMessages === true;
    this.missesMetrics = unheard !== undefined;
  }

  ruleOf(metric: string): MetricRule | undefined {
    if (this.byMetric.has(metric)) return this.byMetric.get(metric);
    const rule = this.compiler.compile(this.overrides, metric);
    if (this.byMetric.size < REMEMBERED) this.byMetric.set(metric, rule);
    return rule;
  }
}
