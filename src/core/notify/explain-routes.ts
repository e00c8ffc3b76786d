import type { AlertNotification } from '../alert/model.ts';
import type { AlertLabels } from '../alert/suppress/matcher.ts';
import type { Millis } from '../reading.ts';
import type { SensorFactsOf } from './delivery.ts';
import { filteredBy } from './filter.ts';
import { NotificationRoutes, type RoutedSink, type RoutesConfig } from './recipients.ts';
import { type RouteTrace, routedAlert } from './routes.ts';

/** The notifications of an alert that a sink gets. */
export interface SinkDecision {
  readonly sink: string;
  /** `held`: sent at `atMs` if it is still firing; `escalation`: sent then if it is not acknowledged before. */
  readonly decision: 'sent' | 'held' | 'escalation' | 'not_sent';
  readonly atMs: Millis | null;
  /** The route that decided; null: none leads there. */
  readonly route: string | null;
  readonly reason: string;
  readonly groupKey: string | null;
  readonly groupWaitMs: Millis | null;
  readonly groupIntervalMs: Millis | null;
  readonly repeatMs: Millis | null;
}

export interface RoutesExplanation {
  readonly alert: AlertLabels;
  /** In the order of the sinks; escalations behind the firing. */
  readonly sinks: readonly SinkDecision[];
  readonly routes: readonly RouteTrace[];
}

const NOTHING = { groupKey: null, groupWaitMs: null, groupIntervalMs: null, repeatMs: null } as const;

/** Which sinks an alert that fires at `atMs` would go to, and why others get nothing. */
export function explainRoutes(
  config: RoutesConfig,
  sinks: readonly RoutedSink[],
  firing: AlertNotification,
  facts: SensorFactsOf,
  atMs: Millis,
): RoutesExplanation {
  const routes = new NotificationRoutes(config, sinks);
  const alert = routedAlert(firing, facts);
  const { recipients, escalations } = routes.of(firing, facts, atMs);
  const trace = routes.trace(alert);
  const decisions = sinks.flatMap((sink): SinkDecision[] => {
    const later = escalations
      .filter((each) => each.sink === sink.name)
      .sort((a, b) => a.dueMs - b.dueMs)
      .map(({ dueMs, route, groupKey, waitMs, intervalMs }): SinkDecision => ({
        sink: sink.name,
        decision: 'escalation',
        atMs: dueMs,
        route: route.place,
        reason: 'if it is firing and not acknowledged by then',
        groupKey,
        groupWaitMs: waitMs,
        groupIntervalMs: intervalMs,
        repeatMs: null,
      }));
    const found = recipients.find((each) => each.sink === sink.name);
    if (found === undefined) {
      const reason = absenceReason(sink, firing, alert, trace);
      return later.length > 0
        ? later
        : [{ ...NOTHING, sink: sink.name, decision: 'not_sent', atMs: null, ...reason }];
    }
    const { route, heldUntilMs, groupKey, waitMs, intervalMs, repeatMs = null } = found;
    const muting = route === undefined ? undefined : routes.mutedBy(route, atMs);
    const decision: SinkDecision = {
      sink: sink.name,
      decision: heldUntilMs === undefined ? 'sent' : 'held',
      atMs: heldUntilMs ?? atMs + waitMs,
      route: route?.place ?? null,
      reason: muting === undefined ? 'it matches' : `muted: ${muting}`,
      ...{ groupKey, groupWaitMs: waitMs, groupIntervalMs: intervalMs, repeatMs },
    };
    return [decision, ...later];
  });
  return { alert, sinks: decisions, routes: trace };
}

function absenceReason(
  { name, filter }: RoutedSink,
  firing: AlertNotification,
  { sensor }: AlertLabels,
  trace: readonly RouteTrace[],
): { readonly route: string | null; readonly reason: string } {
  const leading = trace.find(({ route, reached }) => reached && route.to.includes(name));
  if (leading !== undefined) {
    const key = filteredBy(filter, firing, sensor.location);
    return { route: leading.route.place, reason: `${key ?? 'a setting'} of the sink excludes it` };
  }
  const missed = trace.find(({ route, mismatch }) => mismatch !== undefined && route.to.includes(name));
  if (missed !== undefined) return { route: missed.route.place, reason: `needs ${missed.mismatch ?? ''}` };
  return { route: null, reason: 'no route that it reaches leads there' };
}
