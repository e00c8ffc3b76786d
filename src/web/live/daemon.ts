import type { EventData, EventName } from '../../api/contract/events.ts';
import type { Session } from '../../api/contract/session.ts';
import type { Status } from '../../api/contract/status.ts';
import { ApiClient, asProblem } from '../rest/client.ts';
import type { ApiProblem } from '../rest/problem.ts';
import { EventStream } from './event-stream.ts';
import type { Link } from './link.ts';
import type { ServerEvent } from './sse-parser.ts';
import { Store } from './store.ts';

type Listener<Name extends EventName> = (data: EventData<Name>) => void;

/** Listeners by event name. */
export class Bus {
  readonly #listeners = new Map<string, Set<(data: never) => void>>();

  /** Returns what ends it. */
  on<Name extends EventName>(name: Name, listener: Listener<Name>): () => void {
    let set = this.#listeners.get(name);
    if (set === undefined) this.#listeners.set(name, (set = new Set()));
    set.add(listener);
    return () => set.delete(listener);
  }

  emit(name: string, data: unknown): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(data as never);
  }
}

const STATUS_EVERY_MS = 10_000;
const MOST_WATCHED = 20;
/** Figures of the last minutes, one a second. */
const MOST_FIGURES = 180;
/** Events come in bursts; the status is read once for all of them. */
const AFTER_EVENT_MS = 400;

/** The page's state of the daemon: its status, its events, and whether there is a link at all. */
export class Daemon {
  readonly client: ApiClient;
  readonly bus = new Bus();
  readonly link = new Store<Link>({ state: 'connecting' });
  readonly status = new Store<Status | undefined>(undefined);
  readonly statusProblem = new Store<ApiProblem | undefined>(undefined);
  readonly session = new Store<Session | undefined>(undefined);
  /** Messages per second, one value a second, the newest last. */
  readonly intake = new Store<readonly number[]>([]);
  /** Rises when everything that is shown has to be read again: the link is back, or another role looks. */
  readonly epoch = new Store(0);
  /** The daemon has been replaced by another build than the one that this page belongs to. */
  readonly outdated = new Store(false);
  /** The daemon asks for a token. */
  readonly locked = new Store(false);

  readonly #stream: EventStream;
  readonly #watched: string[] = [];
  #build: string | undefined;
  /** The clock of the daemon, ahead of this one. */
  #aheadMs = 0;
  #soon: ReturnType<typeof setTimeout> | undefined;

  constructor(base: string) {
    this.client = new ApiClient({
      root: `${base}api/v1/`,
      fetch: (input, init) => fetch(input, init),
      onUnauthorised: () => this.locked.set(true),
    });
    this.#stream = new EventStream(
      {
        url: this.client.urlOf('events'),
        onEvent: (event) => this.#take(event),
        onLink: (link) => this.#linkIs(link),
        onGap: () => this.readAgain(),
      },
      {
        fetch: (url, init) => fetch(url, { ...init, credentials: 'same-origin', cache: 'no-store' }),
        now: () => Date.now(),
        random: () => Math.random(),
        after: (ms, run) => {
          const timer = setTimeout(run, ms);
          return () => clearTimeout(timer);
        },
      },
    );
  }

  /** Now, by the clock of the daemon: its times are compared with this one. */
  nowMs(): number {
    return Date.now() + this.#aheadMs;
  }

  get clockAheadMs(): number {
    return this.#aheadMs;
  }

  async start(): Promise<void> {
    setInterval(() => {
      if (!document.hidden) void this.#readStatus();
    }, STATUS_EVERY_MS);
    addEventListener('online', () => this.#stream.retryNow());
    await this.enter();
  }

  /** With the session that there is now: at the start, and after a log-in or log-out. */
  async enter(): Promise<void> {
    await this.#readSession();
    this.locked.set(false);
    // What is read once the stream is open misses nothing.
    this.#stream.start();
  }

  /** The values of these sensors come as events; without one of them, only changes of their states. Returns what ends it. */
  watch(key: string): () => void {
    this.#watched.push(key);
    this.#redirect();
    return () => {
      this.#watched.splice(this.#watched.indexOf(key), 1);
      this.#redirect();
    };
  }

  #redirect(): void {
    this.#stream.redirect(
      this.client.urlOf('events', { sensor: [...new Set(this.#watched)].slice(-MOST_WATCHED) }),
    );
  }

  retryNow(): void {
    this.#stream.retryNow();
  }

  /** A page in the background leaves its connection to others, unless it shall notify. */
  background(hidden: boolean, notifies: boolean): void {
    if (hidden && !notifies) this.#stream.pause();
    else if (!hidden && this.link.value.state === 'paused') this.#stream.start();
  }

  readAgain(): void {
    void this.#readStatus();
    this.epoch.update((epoch) => epoch + 1);
  }

  readStatusSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.#readStatus();
    }, AFTER_EVENT_MS);
  }

  #linkIs(link: Link): void {
    const before = this.link.value.state;
    this.link.set(link);
    if (link.state === 'refused') this.locked.set(true);
    // Without a stream there are answers nevertheless.
    if ((link.state === 'live' && before !== 'live') || (link.state === 'broken' && this.epoch.value === 0))
      this.readAgain();
  }

  async #readSession(): Promise<void> {
    try {
      this.session.set(await this.client.get<Session>('session'));
    } catch {
      // The status says what is wrong.
    }
  }

  async #readStatus(): Promise<void> {
    try {
      const status = await this.client.get<Status>('status');
      this.#compareClocks(status.now);
      this.status.set(status);
      this.statusProblem.set(undefined);
      // The session ends with the daemon, with its token, and in another tab; a token may have another role.
      const { role, name } = this.session.value ?? {};
      if (role !== status.access.role || name !== status.access.name) await this.#readSession();
    } catch (error) {
      this.statusProblem.set(asProblem(error));
    }
  }

  #take({ type, data }: ServerEvent): void {
    let content: unknown;
    try {
      content = JSON.parse(data);
    } catch {
      return;
    }
    if (type === 'hello') this.#hello(content as EventData<'hello'>);
    if (type === 'intake') this.#count(content as EventData<'intake'>);
    if (type === 'alert' || type === 'finding') this.readStatusSoon();
    this.bus.emit(type, content);
  }

  #hello({ build, now }: EventData<'hello'>): void {
    this.#compareClocks(now);
    if (this.#build !== undefined && this.#build !== build) this.outdated.set(true);
    this.#build ??= build;
  }

  /** Again and again: either clock may be set while the page is open. */
  #compareClocks(now: string): void {
    this.#aheadMs = Date.parse(now) - Date.now();
  }

  #count(intake: EventData<'intake'>): void {
    this.intake.update((history) => [...history, intake.perSecond].slice(-MOST_FIGURES));
    this.status.update((status) => (status === undefined ? status : { ...status, intake }));
  }
}
