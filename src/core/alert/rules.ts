import type { Micros } from '../reading.ts';
import { compileRule } from './compile.ts';
import type { MetricRule } from './compile.ts';
import type { AlertsConfig } from './config.ts';
import { effectiveRule, matchingOverrides, namedMetrics, WILDCARD } from './effective.ts';
import type { EffectiveRule, SensorFacts } from './effective.ts';

/** The compiled rules of one sensor; one object serves all sensors that the same overrides fit. */
export interface SensorRules {
  /** The metrics that the configuration names and asks something of. */
  readonly named: readonly MetricRule[];
  /** True when `"*"` asks something of metrics that nobody names. */
  readonly wildcard: boolean;
  /** The rule of any metric, or undefined when nothing is asked of it. */
  ruleOf(metric: string): MetricRule | undefined;
}

/** A valid configuration, compiled on demand. */
export class RuleSet {
  readonly config: AlertsConfig;
  readonly futureSkewUs: Micros;
  private readonly bySignature = new Map<string, SensorRules>();

  constructor(config: AlertsConfig) {
    this.config = config;
    this.futureSkewUs = config.max_future_skew * 1000;
  }

  /** Same overrides, same rules: compiled once per combination, not per sensor. */
  rulesFor(sensor: SensorFacts): SensorRules {
    const overrides = matchingOverrides(this.config, sensor);
    const signature = overrides.join();
    let rules = this.bySignature.get(signature);
    if (rules === undefined) {
      rules = new CompiledRules(this.config, overrides);
      this.bySignature.set(signature, rules);
    }
    return rules;
  }

  /** For people: each rule of a sensor with the origin of each field. `metrics` adds those that only `"*"` covers. */
  effectiveRules(sensor: SensorFacts, metrics: Iterable<string> = []): readonly EffectiveRule[] {
    const overrides = matchingOverrides(this.config, sensor);
    const names = new Set([...namedMetrics(this.config, overrides), ...metrics]);
    return [...names]
      .map((metric) => effectiveRule(this.config, overrides, metric))
      .filter((rule) => compileRule(rule, this.config) !== undefined);
  }
}

class CompiledRules implements SensorRules {
  readonly named: readonly MetricRule[];
  readonly wildcard: boolean;
  private readonly config: AlertsConfig;
  private readonly overrides: readonly number[];
  private readonly byMetric = new Map<string, MetricRule | undefined>();

  constructor(config: AlertsConfig, overrides: readonly number[]) {
    this.config = config;
    this.overrides = overrides;
    const names = namedMetrics(config, overrides);
    this.named = names.flatMap((metric) => this.ruleOf(metric) ?? []);
    this.wildcard = compileRule(effectiveRule(config, overrides, WILDCARD), config) !== undefined;
  }

  ruleOf(metric: string): MetricRule | undefined {
    if (this.byMetric.has(metric)) return this.byMetric.get(metric);
    const rule = compileRule(effectiveRule(this.config, this.overrides, metric), this.config);
    // Names come from payloads: what "*" covers is remembered up to a bound, and compiled anew beyond it.
    if (this.byMetric.size < 10_000) this.byMetric.set(metric, rule);
    return rule;
  }
}
