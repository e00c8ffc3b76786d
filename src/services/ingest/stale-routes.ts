import type { WatchedRoute } from '../../core/ingest/route.ts';
import type { Millis } from '../../core/reading.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import type { Logger, Metrics } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';

/** The router in force. */
export interface RouteSource {
  readonly watchedRoutes: readonly WatchedRoute[];
  /** Messages that gave readings, by the index of their route. */
  readonly delivered: ArrayLike<number>;
}

export interface StaleRoutesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** False while nothing can arrive: the broker is away, or reading is paused. Then silence means nothing. */
  readonly receiving: () => boolean;
}

/** A stale route, and when it last received a message. */
export interface StaleRoute {
  readonly name: string;
  readonly lastMessageMs: number;
}

/** Activity of a route since the start, or since it changed. */
export interface RouteActivity {
  readonly name: string;
  readonly messages: number;
  /** To the second; undefined: there was no message. */
  readonly sinceLastMs: Millis | undefined;
  readonly isSilent: boolean;
}

interface Watched {
  readonly route: WatchedRoute;
  delivered: number;
  /** Monotonic; undefined until it has delivered: a route that never did is not stale. */
  lastMessageAtMs: number | undefined;
  /** For `auto`: how many times it received, and the longest gap in between. */
  received: number;
  longestGapMs: number;
  silentSinceMs: number | undefined;
}

const POLL_EVERY_MS = 1000;
/** `auto` reports only once it knows a rhythm, and well beyond it. */
const AUTO_LEARNS = 10;
const AUTO_FACTOR = 10;
const AUTO_LEAST_MS = 60_000;

/**
 * Detects routes that used to deliver and stopped, although the broker is connected: a gateway that died, a topic that was
 * renamed. It reads counters once a second, so that a message costs nothing. Time in which nothing can arrive does not
 * count, and the next message ends a silence.
 */
export class StaleRoutes {
  private readonly deps: StaleRoutesDeps;
  private readonly gauge;
  private readonly messages;
  private source: RouteSource;
  private watched: readonly Watched[];
  private readonly loop: PollLoop;
  private checkedAtMs: number;

  constructor(source: RouteSource, deps: StaleRoutesDeps) {
    this.source = source;
    this.deps = deps;
    this.loop = new PollLoop({ clock: deps.clock, everyMs: POLL_EVERY_MS, run: () => this.check() });
    this.checkedAtMs = deps.clock.monotonicMs();
    this.watched = source.watchedRoutes.map(fresh);
    this.gauge = deps.metrics.gauge(
      'fieldwatch_route_silent',
      '1 while a route has been silent for longer than its silent_after',
      ['route'],
    );
    this.messages = deps.metrics.gauge(
      'fieldwatch_route_messages',
      'Messages with readings by route, since the start or the last change of the route',
      ['route'],
    );
    deps.metrics.onCollect(() => this.export());
  }

  start(): void {
    this.loop.start();
  }

  /** Idempotent. */
  stop(): void {
    void this.loop.stop();
  }

  /** New routes after a reload: the history of an unchanged route is kept. */
  reroute(source: RouteSource): void {
    this.check();
    const known = new Map(this.watched.map((one) => [one.route.name, one]));
    for (const { route } of this.watched) this.gauge.set(0, { route: route.name });
    this.watched = source.watchedRoutes.map((route) => ({
      ...(known.get(route.name) ?? fresh(route)),
      route,
      delivered: 0,
    }));
    this.source = source;
  }

  /** Routes that are stale now. */
  silent(): readonly StaleRoute[] {
    return this.watched.flatMap(({ route, silentSinceMs }) =>
      silentSinceMs === undefined ? [] : [{ name: route.name, lastMessageMs: silentSinceMs }],
    );
  }

  /** Every route: how many messages it read, and how long ago the last one came. */
  activity(): readonly RouteActivity[] {
    const nowMs = this.deps.clock.monotonicMs();
    return this.watched.map(({ route, lastMessageAtMs, silentSinceMs }, index) => ({
      name: route.name,
      messages: this.source.delivered[index] ?? 0,
      sinceLastMs: lastMessageAtMs === undefined ? undefined : nowMs - lastMessageAtMs,
      isSilent: silentSinceMs !== undefined,
    }));
  }

  private check(): void {
    const nowMs = this.deps.clock.monotonicMs();
    const waitedMs = nowMs - this.checkedAtMs;
    this.checkedAtMs = nowMs;
    const receiving = this.deps.receiving();
    for (const [index, one] of this.watched.entries()) {
      const delivered = this.source.delivered[index] ?? 0;
      if (delivered > one.delivered) this.recordMessages(one, delivered, nowMs);
      else if (!receiving && one.lastMessageAtMs !== undefined) one.lastMessageAtMs += waitedMs;
      else this.checkOne(one, nowMs);
    }
  }

  private recordMessages(one: Watched, delivered: number, nowMs: number): void {
    const gapMs = nowMs - (one.lastMessageAtMs ?? nowMs);
    // A reported silence is no part of the rhythm.
    if (one.silentSinceMs === undefined) one.longestGapMs = Math.max(one.longestGapMs, gapMs);
    else
      this.deps.logger.info(
        { route: one.route.name, silent_ms: Math.round(gapMs) },
        'stale route receives messages again',
      );
    one.received += delivered - one.delivered;
    one.delivered = delivered;
    one.lastMessageAtMs = nowMs;
    one.silentSinceMs = undefined;
  }

  private checkOne(one: Watched, nowMs: number): void {
    const patienceMs = patienceOf(one);
    if (one.lastMessageAtMs === undefined || one.silentSinceMs !== undefined || patienceMs === undefined)
      return;
    const silentMs = nowMs - one.lastMessageAtMs;
    if (silentMs < patienceMs) return;
    one.silentSinceMs = this.deps.clock.nowMs() - silentMs;
    this.deps.logger.warn(
      { route: one.route.name, silent_ms: Math.round(silentMs), silent_after_ms: Math.round(patienceMs) },
      'route is stale: no messages while the broker is connected',
    );
  }

  private export(): void {
    for (const { route, delivered, silentSinceMs } of this.watched) {
      this.messages.set(delivered, { route: route.name });
      if (route.silentAfter !== undefined)
        this.gauge.set(silentSinceMs === undefined ? 0 : 1, { route: route.name });
    }
  }
}

function fresh(route: WatchedRoute): Watched {
  return {
    route,
    delivered: 0,
    lastMessageAtMs: undefined,
    received: 0,
    longestGapMs: 0,
    silentSinceMs: undefined,
  };
}

/** How long this route may be silent; undefined where no limit is configured, or no rhythm is known yet. */
function patienceOf({ route, received, longestGapMs }: Watched): number | undefined {
  if (route.silentAfter !== 'auto') return route.silentAfter;
  return received < AUTO_LEARNS ? undefined : Math.max(AUTO_LEAST_MS, AUTO_FACTOR * longestGapMs);
}
