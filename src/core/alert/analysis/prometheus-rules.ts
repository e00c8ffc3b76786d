import { compileRule, countRule, messagesRule, offlineRule, type MetricRule } from '../rules/compile.ts';
import type { Condition, RuleLabels } from '../rules/condition.ts';
import type { AlertsConfig } from '../rules/config.ts';
import { WILDCARD, effectiveOffline, effectiveRule, namedMetrics } from '../rules/effective.ts';

/** Open alerts as series: value 1 for each, by these labels. */
export const ALERT_STATE = 'fieldwatch_alert_state';
/** Open alerts without a series: there are more than the limit. */
export const STATES_LEFT_OUT = 'fieldwatch_alert_states_left_out';

/** An alerting rule of Prometheus. */
export interface PrometheusRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface PrometheusExport {
  readonly rules: readonly PrometheusRule[];
  /** Alerts that the rules leave out, and why. */
  readonly omitted: readonly string[];
}

/** Labels and texts that a rule of the configuration gives its alerts of one type. */
interface Source {
  readonly runbook: string | null;
  readonly labels: RuleLabels;
}

/** Alerts of one type, or, with `"*"` for the metric, of all further metrics. */
interface TypeSources {
  readonly alertType: string;
  readonly anyMetric: boolean;
  readonly sources: Source[];
}

/** Braces begin a template in labels and annotations, and names that begin like this are Prometheus's own. */
const isTemplate = (text: string): boolean => text.includes('{{');
const isReserved = (name: string): boolean => name.startsWith('__');

/**
 * Alerting rules that follow the verdicts of the daemon: one for each alert type that the configuration can raise. PromQL cannot
 * evaluate the rules themselves, for /metrics has no values of sensors. Delays and hysteresis are in the verdict already.
 */
export function prometheusRules(config: AlertsConfig): PrometheusExport {
  const types = [...typesOf(config).values()].sort((a, b) => (a.alertType < b.alertType ? -1 : 1));
  const named = types.filter(({ anyMetric }) => !anyMetric).map(({ alertType }) => alertType);
  const taken = new Set<string>();
  const omitted: string[] = [];
  const rules = types.map((type): PrometheusRule => {
    const alert = unusedName(type.alertType.replace(WILDCARD, 'any_metric'), taken);
    const { runbook, labels } = commonOf(type, alert, omitted);
    return {
      alert,
      expr: `max by (job, sensor, type, severity) (${ALERT_STATE}{${selectorOf(type, named)}}) > 0`,
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      annotations: {
        summary: '{{ $labels.sensor }}: {{ $labels.type }}, {{ $labels.severity }}',
        ...(runbook === null ? {} : { runbook_url: runbook }),
      },
    };
  });
  return { rules: rules.length === 0 ? [] : [...rules, LEFT_OUT], omitted };
}

const LEFT_OUT: PrometheusRule = {
  alert: 'fieldwatch_alert_states_left_out',
  expr: `${STATES_LEFT_OUT} > 0`,
  labels: { severity: 'warning' },
  annotations: {
    summary: '{{ $value }} open alerts of fieldwatch {{ $labels.instance }} have no series',
    description:
      'There are more than http.alert_series; the most severe have one. `fieldwatch alerts list --open` has all.',
  },
};

function typesOf(config: AlertsConfig): ReadonlyMap<string, TypeSources> {
  const types = new Map<string, TypeSources>();
  const add = ({ alertType, runbook, labels }: Condition, anyMetric: boolean) => {
    const key = `${anyMetric ? WILDCARD : ''} ${alertType}`;
    const source = { runbook, labels };
    const known = types.get(key);
    if (known === undefined) types.set(key, { alertType, anyMetric, sources: [source] });
    else known.sources.push(source);
  };
  for (const overrides of [[], ...config.overrides.map((_, index) => [index])])
    for (const rule of rulesOf(config, overrides))
      for (const condition of rule.conditions) add(condition, rule.metric === WILDCARD);
  for (const count of config.counts ?? [])
    for (const condition of countRule(count, config).conditions) add(condition, false);
  return types;
}

/** The rules of a sensor that these overrides match. */
function rulesOf(config: AlertsConfig, overrides: readonly number[]): readonly MetricRule[] {
  const compiled = [...namedMetrics(config, overrides), WILDCARD].flatMap(
    (metric) => compileRule(effectiveRule(config, overrides, metric), config) ?? [],
  );
  const unheard = offlineRule(compiled);
  const offline = effectiveOffline(config, overrides);
  const missed = offline === undefined ? unheard : messagesRule(offline, config, unheard);
  return missed === undefined ? compiled : [...compiled, missed];
}

/** The labels and texts that all rules of a type share. A series does not say which of several it is of. */
function commonOf(
  { sources }: TypeSources,
  alert: string,
  omitted: string[],
): { readonly runbook: string | null; readonly labels: Readonly<Record<string, string>> } {
  const runbooks = new Set(sources.map(({ runbook }) => runbook));
  const [runbook = null] = runbooks;
  const isCommon = runbooks.size === 1 && (runbook === null || !isTemplate(runbook));
  if (!isCommon) omitted.push(`${alert}: no runbook, ${reason(runbooks.size)}`);
  const labels: Record<string, string> = {};
  for (const name of new Set(sources.flatMap((source) => Object.keys(source.labels)))) {
    const values = new Set(sources.map((source) => source.labels[name]));
    const [value] = values;
    if (values.size === 1 && value !== undefined && !isTemplate(value) && !isReserved(name))
      labels[name] = value;
    else omitted.push(`${alert}: no label ${name}, ${reason(values.size)}`);
  }
  return { runbook: isCommon ? runbook : null, labels };
}

const reason = (values: number): string =>
  values > 1 ? 'for it differs by scope' : 'for Prometheus would take it as a template or a name of its own';

function selectorOf({ alertType, anyMetric }: TypeSources, named: readonly string[]): string {
  if (!anyMetric) return `type=${JSON.stringify(alertType)}`;
  const suffix = alertType.slice(alertType.indexOf(WILDCARD) + 1);
  const others = named.filter((type) => type.endsWith(suffix)).map(pattern);
  const except = others.length === 0 ? '' : `, type!~${JSON.stringify(others.join('|'))}`;
  return `type=~${JSON.stringify(`.+${pattern(suffix)}`)}${except}`;
}

/** A text as a regular expression (RE2) that matches it alone. */
const pattern = (text: string): string => text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');

/** A metric may be called `any_metric`. */
function unusedName(name: string, taken: Set<string>): string {
  let unused = name;
  for (let next = 2; taken.has(unused); next++) unused = `${name}_${next}`;
  taken.add(unused);
  return unused;
}
