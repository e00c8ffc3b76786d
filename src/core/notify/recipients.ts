import type { AlertNotification } from '../alert/model.ts';
import type { AlertLabels } from '../alert/suppress/matcher.ts';
import type { Millis } from '../reading.ts';
import type { SensorFactsOf } from './delivery.ts';
import { type SinkFilter, wanted } from './filter.ts';
import { type Placement, placementOf } from './grouping.ts';
import { MuteTimes, type NamedTime } from './mute-times.ts';
import {
  type GroupingConfig,
  type Route,
  reachedRoutes,
  routedAlert,
  type RouteTrace,
  traceRoutes,
} from './routes.ts';

/** A sink as routes see it. */
export interface RoutedSink {
  readonly name: string;
  readonly filter: SinkFilter;
  readonly grouping: GroupingConfig;
}

export interface RoutesConfig {
  /** Undefined: each sink is a route of its own. */
  readonly routes: readonly Route[] | undefined;
  readonly times: Readonly<Record<string, NamedTime>>;
}

/** One sink that gets a notification. */
export interface Recipient extends Placement {
  readonly sink: string;
  /** The route that decided; undefined: it follows the firing. */
  readonly route: Route | undefined;
  /** Only if it had the firing. */
  readonly ifNotified: boolean;
  /** The route is muted until then; undefined: it is sent now. */
  readonly heldUntilMs: Millis | undefined;
  /** Time to a reminder of the route's own. */
  readonly repeatMs: Millis | undefined;
}

/** A sink that is notified if the alert is not acknowledged in time. */
export interface Escalation extends Placement {
  readonly sink: string;
  readonly route: Route;
  readonly afterMs: Millis;
  readonly dueMs: Millis;
}

export interface Routing {
  readonly recipients: readonly Recipient[];
  readonly escalations: readonly Escalation[];
}

/** Decides which sinks get a notification, and when. */
export class NotificationRoutes {
  private readonly routes: readonly Route[];
  private readonly times: MuteTimes;
  private readonly sinks: ReadonlyMap<string, RoutedSink>;

  constructor({ routes, times }: RoutesConfig, sinks: readonly RoutedSink[]) {
    this.routes = routes ?? sinks.map(({ name }) => ownRoute(name));
    this.times = new MuteTimes(times);
    this.sinks = new Map(sinks.map((sink) => [sink.name, sink]));
  }

  /** The comparison of an alert with the tree. */
  trace(alert: AlertLabels): readonly RouteTrace[] {
    return traceRoutes(this.routes, alert);
  }

  /** The time that mutes a route. */
  mutedBy(route: Route, atMs: Millis): string | undefined {
    return this.times.mutedBy(route, atMs);
  }

  of(notification: AlertNotification, facts: SensorFactsOf, nowMs: Millis): Routing {
    const alert = routedAlert(notification, facts);
    const reached = reachedRoutes(this.routes, alert);
    // Whatever the routes are by now: an incident that was opened has to be closed.
    if (isFollowUp(notification))
      return { recipients: this.followUps(notification, alert, reached), escalations: [] };
    return {
      recipients: this.firstOfEach(notification, alert, reached, nowMs),
      escalations: ESCALATED.includes(notification.event)
        ? this.escalations(notification, alert, reached)
        : [],
    };
  }

  private followUps(
    notification: AlertNotification,
    alert: AlertLabels,
    reached: readonly Route[],
  ): readonly Recipient[] {
    return [...this.sinks.values()]
      .filter(({ filter }) => wanted(filter, notification, alert.sensor.location) === 'if_notified')
      .map(({ name, grouping }) => ({
        sink: name,
        route: undefined,
        ifNotified: true,
        heldUntilMs: undefined,
        repeatMs: undefined,
        ...placementOf(notification, alert, [...reached.filter(({ to }) => to.includes(name)), grouping]),
      }));
  }

  /** A sink that several routes lead to gets one notification: from the first that is not muted. */
  private firstOfEach(
    notification: AlertNotification,
    alert: AlertLabels,
    reached: readonly Route[],
    nowMs: Millis,
  ): readonly Recipient[] {
    const found = new Map<string, Recipient>();
    for (const route of reached) {
      // A route with an interval of its own reminds by itself.
      if (notification.event === 'reminder' && route.repeatMs !== undefined) continue;
      const heldUntilMs = this.times.mutedUntilMs(route, nowMs);
      for (const sink of this.wanting(route.to, notification, alert)) {
        const earlier = found.get(sink.name);
        if (earlier !== undefined && (earlier.heldUntilMs ?? 0) <= (heldUntilMs ?? 0)) continue;
        found.set(sink.name, {
          sink: sink.name,
          route,
          ifNotified: false,
          heldUntilMs,
          repeatMs: route.repeatMs,
          ...placementOf(notification, alert, [route, sink.grouping]),
        });
      }
    }
    return [...found.values()];
  }

  private escalations(
    notification: AlertNotification,
    alert: AlertLabels,
    reached: readonly Route[],
  ): readonly Escalation[] {
    const { event, eventTimeMs, firedAtMs, startedAtMs } = notification;
    // A rise of the severity restarts nothing. What was suppressed counts from when it was announced.
    const fromMs = event === 'escalated' ? (firedAtMs ?? startedAtMs) : eventTimeMs;
    const found = new Map<string, Escalation>();
    for (const route of reached)
      for (const { afterMs, to } of route.escalate)
        for (const { name, grouping } of this.wanting(to, notification, alert))
          found.set(`${name} ${afterMs}`, {
            sink: name,
            route,
            afterMs,
            dueMs: fromMs + afterMs,
            ...placementOf(notification, alert, [route, grouping]),
          });
    return [...found.values()];
  }

  private wanting(
    names: readonly string[],
    notification: AlertNotification,
    alert: AlertLabels,
  ): readonly RoutedSink[] {
    return names.flatMap((name) => {
      const sink = this.sinks.get(name);
      if (sink === undefined) return [];
      return wanted(sink.filter, notification, alert.sensor.location) === 'yes' ? sink : [];
    });
  }
}

const ESCALATED: readonly string[] = ['firing', 'escalated'];

/** It goes to the sinks that had the firing, and to no others. */
const isFollowUp = ({ event }: AlertNotification) =>
  event === 'resolved' || event === 'deescalated' || event === 'flapping_end';

const ownRoute = (sink: string): Route => ({
  place: `sink ${sink}`,
  match: {},
  minSeverity: 'info',
  continues: true,
  routes: [],
  to: [sink],
  active: [],
  mute: [],
  escalate: [],
});
