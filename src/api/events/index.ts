import type { ServerResponse } from 'node:http';
import type { Logger, Metrics } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import type { Visit } from '../access/access.ts';
import { Refusal } from '../access/refusal.ts';
import type { EventData } from '../contract/events.ts';
import { Places } from '../places.ts';
import { EventFeed, type FeedOptions } from './feed.ts';
import { EventHub } from './hub.ts';
import { stream } from './stream.ts';

/** Limits of event streams: health, metrics and the page need the other connections. */
const STREAMS = { total: 200, each: 100 };
const AGAIN_S = 10;

export interface EventsDeps extends Pick<FeedOptions, 'intake' | 'findings' | 'changes' | 'onChange'> {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly hello: () => Omit<EventData<'hello'>, 'now'>;
}

export interface Opening {
  readonly visit: Visit;
  readonly sensors: readonly string[];
  readonly lastId: string | undefined;
  readonly mayRead: () => boolean;
}

/** The stream of events and its readers. */
export class Events {
  readonly #deps: EventsDeps;
  readonly #hub: EventHub;
  readonly #feed: EventFeed;
  readonly #cut: () => void;
  /** From the answer on: they are with the hub only when it is ready for them. */
  readonly #streams = new Places(STREAMS);

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
    metrics.onCollect(() => open.set(this.#streams.taken));
  }

  /** Whether anything is computed at the moment. */
  get isRunning(): boolean {
    return this.#feed.isRunning;
  }

  /** Throws where there are too many. */
  admit(visit: Visit): void {
    if (!this.#streams.hasRoomFor(visit)) throw Refusal.tooMany(AGAIN_S);
  }

  /** Takes the response over. */
  open(response: ServerResponse, { visit, sensors, lastId, mayRead }: Opening): void {
    const { clock, hello } = this.#deps;
    const leave = this.#streams.take(visit);
    if (leave === undefined) return void response.destroy();
    const ready = this.#feed.start();
    stream(response, {
      ...{ hub: this.#hub, clock, ready, lastId, mayRead, sensors: new Set(sensors) },
      hello: () => ({ ...hello(), now: new Date(clock.nowMs()).toISOString() }),
      onCut: this.#cut,
      onEnd: () => {
        leave();
        this.#feed.left();
      },
    });
  }

  stop(): void {
    this.#feed.stop();
  }
}
