import type { ServerResponse } from 'node:http';
import type { Logger, Metrics } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import { Refusal } from '../access/refusal.ts';
import type { EventData } from '../contract/events.ts';
import { EventFeed, type FeedOptions } from './feed.ts';
import { EventHub } from './hub.ts';
import { stream } from './stream.ts';

/** Of all connections: health, metrics and the page need the others. */
const MAX_STREAMS = 200;
const AGAIN_S = 10;

export interface EventsDeps extends Pick<FeedOptions, 'intake' | 'findings' | 'changes' | 'onChange'> {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly hello: () => Omit<EventData<'hello'>, 'now'>;
}

export interface Opening {
  readonly sensors: readonly string[];
  readonly lastId: string | undefined;
  readonly mayRead: () => boolean;
}

/** The stream of events and whoever reads it. */
export class Events {
  readonly #deps: EventsDeps;
  readonly #hub: EventHub;
  readonly #feed: EventFeed;
  readonly #cut: () => void;
  /** From the answer on: they are with the hub only when it is ready for them. */
  #streams = 0;

  constructor(deps: EventsDeps) {
    const { clock, logger, metrics } = deps;
    this.#deps = deps;
    this.#hub = new EventHub(clock);
    this.#feed = new EventFeed({
      ...deps,
      hub: this.#hub,
      onError: (error) => logger.error({ err: error }, 'api: cannot read events'),
    });
    const cut = metrics.counter(
      'fieldwatch_api_streams_cut_total',
      'Streams of events that were ended because their client did not read',
    );
    this.#cut = () => cut.inc();
    const open = metrics.gauge('fieldwatch_api_streams', 'Open streams of events');
    metrics.onCollect(() => open.set(this.#streams));
  }

  /** Whether anything is computed at the moment. */
  get isRunning(): boolean {
    return this.#feed.isRunning;
  }

  /** Throws where there are too many. */
  admit(): void {
    if (this.#streams >= MAX_STREAMS) throw Refusal.tooMany(AGAIN_S);
  }

  /** Takes the response over. */
  open(response: ServerResponse, { sensors, lastId, mayRead }: Opening): void {
    const { clock, hello } = this.#deps;
    const ready = this.#feed.start();
    this.#streams += 1;
    stream(response, {
      ...{ hub: this.#hub, clock, ready, lastId, mayRead, sensors: new Set(sensors) },
      hello: () => ({ ...hello(), now: new Date(clock.nowMs()).toISOString() }),
      onCut: this.#cut,
      onEnd: () => {
        this.#streams -= 1;
        this.#feed.left();
      },
    });
  }

  stop(): void {
    this.#feed.stop();
  }
}
