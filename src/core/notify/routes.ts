import type { AlertNotification, Severity } from '../alert/model.ts';
import type { Matchers } from '../alert/rules/config.ts';
import { RANK } from '../alert/rules/condition.ts';
import { type AlertLabels, labelValues } from '../alert/suppress/matcher.ts';
import { globMatches } from '../glob.ts';
import type { Millis } from '../reading.ts';
import type { SensorFactsOf } from './delivery.ts';
import type { RouteTimes } from './mute-times.ts';

/** How the notifications of a route or a sink are grouped; absent fields are those of the wider scope. */
export interface GroupingConfig {
  readonly groupBy?: readonly string[] | undefined;
  readonly groupWaitMs?: Millis | undefined;
  readonly groupIntervalMs?: Millis | undefined;
}

export interface EscalationStep {
  readonly afterMs: Millis;
  readonly to: readonly string[];
}

/** Settings of a route, with those that it inherits. */
export interface RouteSettings extends RouteTimes, GroupingConfig {
  readonly to: readonly string[];
  /** Absent: reminders come when the rule says so. */
  readonly repeatMs?: Millis | undefined;
  readonly escalate: readonly EscalationStep[];
}

/** One node of the tree. */
export interface Route extends RouteSettings {
  /** Its place in the configuration: `notify.routes[1].routes[0]`, or the sink that is a route of its own. */
  readonly place: string;
  readonly match: Matchers;
  readonly minSeverity: Severity;
  readonly continues: boolean;
  readonly routes: readonly Route[];
}

/** A node that was compared with an alert, in the order of the comparison. */
export interface RouteTrace {
  readonly route: Route;
  /** The first condition that does not hold, such as `location: lab`; undefined: it matches. */
  readonly mismatch: string | undefined;
  /** It decides where the alert goes: it matches, and none of its nested routes does. */
  readonly reached: boolean;
}

/** The nodes that an alert reaches: of each level the first that matches, and further ones behind `continue`. */
export const reachedRoutes = (routes: readonly Route[], alert: AlertLabels): readonly Route[] =>
  traceRoutes(routes, alert)
    .filter(({ reached }) => reached)
    .map(({ route }) => route);

export function traceRoutes(routes: readonly Route[], alert: AlertLabels): readonly RouteTrace[] {
  const traces: RouteTrace[] = [];
  for (const route of routes) {
    const mismatch = mismatchOf(route, alert);
    if (mismatch !== undefined) {
      traces.push({ route, mismatch, reached: false });
      continue;
    }
    const nested = traceRoutes(route.routes, alert);
    traces.push({ route, mismatch, reached: !nested.some(({ reached }) => reached) }, ...nested);
    if (!route.continues) break;
  }
  return traces;
}

function mismatchOf({ match, minSeverity }: Route, alert: AlertLabels): string | undefined {
  if (RANK[alert.severity] < RANK[minSeverity]) return `min_severity: ${minSeverity}`;
  for (const [label, pattern] of Object.entries(match))
    if (!labelValues(label, alert).some((value) => globMatches(pattern, value)))
      return `${label}: ${pattern}`;
  return undefined;
}

/** Whether every alert reaches one of the routes. */
export const catchesAll = (routes: readonly Route[]): boolean =>
  routes.some(({ match, minSeverity }) => Object.keys(match).length === 0 && minSeverity === 'info');

/** `facts` are those of its sensor; an alert of the system has none. */
export function routedAlert(notification: AlertNotification, facts: SensorFactsOf): AlertLabels {
  const { sensorId, sensorKey, alertType, severity, metric = '', labels = null } = notification;
  const { location, type = null, tags = [], gateway } = facts;
  const known = { id: sensorId, key: sensorKey, type, location, tags };
  const sensor = gateway === undefined ? known : { ...known, gateway };
  return { sensor, metric, alertType, severity, labels };
}
