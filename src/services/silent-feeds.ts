import type { Feed } from '../core/route.ts';
import type { Clock, Logger, Metrics, Timer } from '../ports.ts';

/** What it looks at: the router, whichever is in force. */
export interface FeedSource {
  readonly feeds: readonly Feed[];
  /** Messages that gave readings, by the index of their feed. */
  readonly delivered: ArrayLike<number>;
}

export interface SilentFeedsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** False while nothing can arrive: the broker is away, or reading is paused. Then nobody can tell who is silent. */
  readonly receiving: () => boolean;
}

/** A feed that fell silent, and when it was last heard. */
export interface SilentFeed {
  readonly name: string;
  readonly lastHeardMs: number;
}

interface Watched {
  readonly feed: Feed;
  delivered: number;
  /** Monotonic; undefined until it has delivered: a feed that never did is not missed. */
  heardAtMs: number | undefined;
  /** For `auto`: how many times it was heard, and the longest wait in between. */
  heard: number;
  longestGapMs: number;
  silentSinceMs: number | undefined;
}

const LOOK_EVERY_MS = 1000;
/** `auto` speaks up only once it knows a rhythm, and well beyond it. */
const AUTO_LEARNS = 10;
const AUTO_FACTOR = 10;
const AUTO_LEAST_MS = 60_000;

/**
 * Tells of routes that used to deliver and stopped, although the broker is there: a gateway that died, a topic that was
 * renamed. It looks at counters once a second, so that a message costs nothing. Time in which nothing can arrive does not
 * count, and the next message ends a silence.
 */
export class SilentFeeds {
  private readonly deps: SilentFeedsDeps;
  private readonly gauge;
  private readonly messages;
  private source: FeedSource;
  private watched: readonly Watched[];
  private timer: Timer | undefined;
  private lookedAtMs: number;
  private stopped = false;

  constructor(source: FeedSource, deps: SilentFeedsDeps) {
    this.source = source;
    this.deps = deps;
    this.lookedAtMs = deps.clock.monotonicMs();
    this.watched = source.feeds.map(fresh);
    this.gauge = deps.metrics.gauge(
      'fieldwatch_route_silent',
      '1 while a route that used to deliver is silent for longer than its silent_after',
      ['route'],
    );
    this.messages = deps.metrics.gauge(
      'fieldwatch_route_messages',
      'Messages of a route that gave readings, since the start or the last change of the route',
      ['route'],
    );
    deps.metrics.onCollect(() => this.export());
  }

  start(): void {
    if (this.stopped) return;
    this.timer = this.deps.clock.after(LOOK_EVERY_MS, () => {
      this.look();
      this.start();
    });
  }

  /** Idempotent. */
  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  /** New routes after a reload: what is known of a feed that stays is kept. */
  reroute(source: FeedSource): void {
    this.look();
    const known = new Map(this.watched.map((one) => [one.feed.name, one]));
    for (const { feed } of this.watched) this.gauge.set(0, { route: feed.name });
    this.watched = source.feeds.map((feed) => ({
      ...(known.get(feed.name) ?? fresh(feed)),
      feed,
      delivered: 0,
    }));
    this.source = source;
  }

  /** Those that are silent now. */
  silent(): readonly SilentFeed[] {
    return this.watched.flatMap(({ feed, silentSinceMs }) =>
      silentSinceMs === undefined ? [] : [{ name: feed.name, lastHeardMs: silentSinceMs }],
    );
  }

  private look(): void {
    const nowMs = this.deps.clock.monotonicMs();
    const waitedMs = nowMs - this.lookedAtMs;
    this.lookedAtMs = nowMs;
    const receiving = this.deps.receiving();
    for (const [index, one] of this.watched.entries()) {
      const delivered = this.source.delivered[index] ?? 0;
      if (delivered > one.delivered) this.hear(one, delivered, nowMs);
      else if (!receiving && one.heardAtMs !== undefined) one.heardAtMs += waitedMs;
      else this.judge(one, nowMs);
    }
  }

  private hear(one: Watched, delivered: number, nowMs: number): void {
    const gapMs = nowMs - (one.heardAtMs ?? nowMs);
    // A silence that was told of is no part of the rhythm.
    if (one.silentSinceMs === undefined) one.longestGapMs = Math.max(one.longestGapMs, gapMs);
    else
      this.deps.logger.info(
        { route: one.feed.name, silent_ms: Math.round(gapMs) },
        'a silent route delivers again',
      );
    one.heard += delivered - one.delivered;
    one.delivered = delivered;
    one.heardAtMs = nowMs;
    one.silentSinceMs = undefined;
  }

  private judge(one: Watched, nowMs: number): void {
    const patienceMs = patienceOf(one);
    if (one.heardAtMs === undefined || one.silentSinceMs !== undefined || patienceMs === undefined) return;
    const silentMs = nowMs - one.heardAtMs;
    if (silentMs < patienceMs) return;
    one.silentSinceMs = this.deps.clock.nowMs() - silentMs;
    this.deps.logger.warn(
      { route: one.feed.name, silent_ms: Math.round(silentMs), silent_after_ms: Math.round(patienceMs) },
      'a route that used to deliver is silent, although the broker is connected',
    );
  }

  private export(): void {
    for (const { feed, delivered, silentSinceMs } of this.watched) {
      this.messages.set(delivered, { route: feed.name });
      if (feed.silentAfter !== undefined)
        this.gauge.set(silentSinceMs === undefined ? 0 : 1, { route: feed.name });
    }
  }
}

function fresh(feed: Feed): Watched {
  return { feed, delivered: 0, heardAtMs: undefined, heard: 0, longestGapMs: 0, silentSinceMs: undefined };
}

/** How long this feed may be silent; undefined where nobody asked, or no rhythm is known yet. */
function patienceOf({ feed, heard, longestGapMs }: Watched): number | undefined {
  if (feed.silentAfter !== 'auto') return feed.silentAfter;
  return heard < AUTO_LEARNS ? undefined : Math.max(AUTO_LEAST_MS, AUTO_FACTOR * longestGapMs);
}
