import { nice } from '../core/alert/analysis/suggest.ts';
import { type Range, joined } from '../core/ingest/datasheet.ts';
import type { Millis } from '../core/reading.ts';
import type { Gathering } from './gathering.ts';
import { type Series, steadyInterval } from './series.ts';

/** Fields of a rule, as the configuration names them; `no_data_after` in milliseconds. */
export interface ProposedRule extends Range {
  readonly no_data_after?: Millis;
}

export interface ProposedRules {
  /** For every sensor: only what holds for each device that sent the metric. */
  readonly metrics: ReadonlyMap<string, ProposedRule>;
  /** For one sensor each: what does not hold for all. */
  readonly overrides: ReadonlyMap<string, ReadonlyMap<string, ProposedRule>>;
  /** Metrics with at least one device without a rule for silence: too few messages, or no steady rhythm. */
  readonly unsteady: readonly string[];
}

type Devices = ReadonlyMap<string, ReadonlyMap<string, Series>>;

/** In the rules a metric of this name is every metric. */
const WILDCARD = '*';
/** Intervals that may be missed; fewer would make an alert of one lost message. */
const MISSED = 3;
/** The silence while a broker or a gateway restarts. */
const SHORTEST_MS = 60_000;

/**
 * Rules that follow from the data alone, without knowing what is good for the devices: their rhythm, and the ranges
 * of their parts.
 */
export function proposeRules(devices: Devices, gathering: Gathering): ProposedRules {
  const metrics = new Map<string, ProposedRule>();
  const overrides = new Map<string, Map<string, ProposedRule>>();
  const unsteady: string[] = [];
  for (const [metric, all] of byMetric(devices)) {
    const rules = new Map([...all].map(([device, series]) => [device, ruleOf(series, gathering)] as const));
    const common = commonRule([...rules.values()]);
    if (!isEmpty(common)) metrics.set(metric, common);
    if ([...rules.values()].some(({ no_data_after: after }) => after === undefined)) unsteady.push(metric);
    for (const [device, rule] of rules) {
      const own = beyond(rule, common);
      if (!isEmpty(own))
        overrides.set(device, (overrides.get(device) ?? new Map<string, ProposedRule>()).set(metric, own));
    }
  }
  return { metrics, overrides, unsteady };
}

function byMetric(devices: Devices): Map<string, Map<string, Series>> {
  const metrics = new Map<string, Map<string, Series>>();
  for (const [device, all] of devices)
    for (const [metric, series] of all)
      if (metric !== WILDCARD)
        metrics.set(metric, (metrics.get(metric) ?? new Map<string, Series>()).set(device, series));
  return metrics;
}

function ruleOf({ arrivals, topic, range }: Series, gathering: Gathering): ProposedRule {
  const endMs = topic === undefined ? undefined : gathering.heardUntilMs(topic);
  const interval = gathering.hasArrivalTimes ? steadyInterval(arrivals, endMs) : undefined;
  return {
    ...range,
    ...(interval === undefined ? {} : { no_data_after: Math.max(nice(MISSED * interval), SHORTEST_MS) }),
  };
}

/** The part that all of them share, as wide as the widest. */
function commonRule(rules: readonly ProposedRule[]): ProposedRule {
  return rules.reduce((one, other) => {
    const [a, b] = [one.no_data_after, other.no_data_after];
    return {
      ...joined(one, other),
      ...(a === undefined || b === undefined ? {} : { no_data_after: Math.max(a, b) }),
    };
  });
}

/** The part that only some of them have. */
const beyond = (rule: ProposedRule, common: ProposedRule): ProposedRule =>
  Object.fromEntries(Object.entries(rule).filter(([key]) => !Object.hasOwn(common, key)));

const isEmpty = (rule: ProposedRule): boolean => Object.keys(rule).length === 0;
