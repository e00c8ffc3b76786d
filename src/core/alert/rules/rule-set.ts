import type { Micros } from '../../reading.ts';
import { type MetricRule, compileRule, offlineRule } from './compile.ts';
import type { AlertsConfig } from './config.ts';
import {
  type EffectiveRule,
  OverrideIndex,
  type SensorFacts,
  WILDCARD,
  effectiveRule,
  namedMetrics,
} from './effective.ts';

/** The compiled rules of one sensor; one object serves all sensors that the same overrides match. */
export interface SensorRules {
  /** The metrics that the configuration names and that have a rule. */
  readonly named: readonly MetricRule[];
  /** For a sensor that never sent anything, if the silence of any named metric is watched. */
  readonly offline: MetricRule | undefined;
  /** For a sensor that reports itself offline: the same, or if the silence of any other metric is watched. */
  readonly away: MetricRule | undefined;
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

  constructor(config: AlertsConfig) {
    this.config = config;
    this.futureSkewUs = config.max_future_skew * 1000;
    this.index = new OverrideIndex(config.overrides);
    this.compiled = new Compiler(config);
  }

  /** Compiled once per combination of overrides, not per sensor. */
  rulesFor(sensor: SensorFacts): SensorRules {
    const overrides = this.index.matching(sensor);
    const signature = overrides.join();
    let rules = this.bySignature.get(signature);
    if (rules === undefined) {
      rules = new CompiledRules(this.compiled, overrides);
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

  /** Whether the silence of a sensor is watched, even before it ever sent anything. */
  watchesSilence(sensor: SensorFacts): boolean {
    return this.rulesFor(sensor).offline !== undefined;
  }

  /** For display: each rule of a sensor with the origin of each field. `metrics` adds those that only `"*"` covers. */
  effectiveRules(sensor: SensorFacts, metrics: Iterable<string> = []): readonly EffectiveRule[] {
    const overrides = this.index.matching(sensor);
    const names = new Set([...namedMetrics(this.config, overrides), ...metrics]);
    return [...names]
      .map((metric) => effectiveRule(this.config, overrides, metric))
      .filter((rule) => compileRule(rule, this.config) !== undefined);
  }
}

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
}

/** Names come from payloads: what `"*"` covers is cached up to a bound, and compiled each time beyond it. */
const REMEMBERED = 10_000;

class CompiledRules implements SensorRules {
  readonly named: readonly MetricRule[];
  readonly offline: MetricRule | undefined;
  readonly away: MetricRule | undefined;
  readonly wildcard: boolean;
  private readonly compiler: Compiler;
  private readonly overrides: readonly number[];
  private readonly byMetric = new Map<string, MetricRule | undefined>();

  constructor(compiler: Compiler, overrides: readonly number[]) {
    this.compiler = compiler;
    this.overrides = overrides;
    const names = namedMetrics(compiler.config, overrides);
    this.named = names.flatMap((metric) => compiler.compile(overrides, metric) ?? []);
    this.offline = offlineRule(this.named);
    const others = compiler.compile(overrides, WILDCARD);
    this.away = this.offline ?? (others === undefined ? undefined : offlineRule([others]));
    this.wildcard = others !== undefined;
  }

  ruleOf(metric: string): MetricRule | undefined {
    if (this.byMetric.has(metric)) return this.byMetric.get(metric);
    const rule = this.compiler.compile(this.overrides, metric);
    if (this.byMetric.size < REMEMBERED) this.byMetric.set(metric, rule);
    return rule;
  }
}
