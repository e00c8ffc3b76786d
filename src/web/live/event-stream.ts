import { type Link, type LinkEvent, nextLink } from './link.ts';
import { type ServerEvent, SseParser } from './sse-parser.ts';

/** Dependencies of the stream; a test gives its own. */
export interface StreamWorld {
  fetch(url: string, init: { headers: Record<string, string>; signal: AbortSignal }): Promise<StreamAnswer>;
  now(): number;
  random(): number;
  /** Returns what cancels it. */
  after(ms: number, run: () => void): () => void;
}

export interface StreamAnswer {
  readonly ok: boolean;
  readonly status: number;
  readonly body: ReadableStream<Uint8Array> | null;
}

export interface StreamOptions {
  readonly url: string;
  readonly onEvent: (event: ServerEvent) => void;
  readonly onLink: (link: Link) => void;
  /** The stream begins again without what was missed: everything that is shown has to be read again. */
  readonly onGap: () => void;
}

/** The daemon sends its figures every second. A stream without a byte for this time is a dead connection. */
export const SILENT_MS = 10_000;
const SILENT = 'it sent nothing for a while';

/**
 * The daemon's events. It reads them with `fetch` and not with `EventSource`, which does not reconnect after an HTTP error, does
 * not notice a connection that is only silent, and cannot resume from an id of an earlier one.
 */
export class EventStream {
  readonly #options: StreamOptions;
  #url: string;
  readonly #world: StreamWorld;
  #link: Link = { state: 'connecting' };
  #lastId = '';
  #opened = false;
  #attempt = 0;
  #connection: AbortController | undefined;
  #cancelRetry = (): void => {};

  constructor(options: StreamOptions, world: StreamWorld) {
    this.#options = options;
    this.#url = options.url;
    this.#world = world;
  }

  get link(): Link {
    return this.#link;
  }

  start(): void {
    this.#leave();
    this.#attempt = 0;
    this.#apply({ type: 'start' });
    void this.#connect();
  }

  /** Other events from now on: a connection takes the place of the one that there is, and nothing is missed in between. */
  redirect(url: string): void {
    if (url === this.#url) return;
    this.#url = url;
    if (this.#connection === undefined || this.#link.state === 'broken') return;
    this.#connection.abort();
    void this.#connect();
  }

  /** Tries now and does not wait for the next attempt: the network is back, or the reader asked for it. */
  retryNow(): void {
    if (this.#link.state !== 'broken' || this.#link.retryAtMs === null) return;
    this.#cancelRetry();
    this.#retry();
  }

  /** Leaves the connection to pages that are looked at: a browser has six of them per server. */
  pause(): void {
    this.#leave();
    this.#apply({ type: 'pause' });
  }

  stop(): void {
    this.#leave();
  }

  #leave(): void {
    this.#cancelRetry();
    this.#connection?.abort();
    this.#connection = undefined;
  }

  #apply(event: LinkEvent): void {
    this.#link = nextLink(this.#link, event);
    this.#options.onLink(this.#link);
  }

  async #connect(): Promise<void> {
    const connection = new AbortController();
    this.#connection = connection;
    let reason: string;
    try {
      reason = await this.#read(connection);
    } catch {
      reason = connection.signal.aborted ? SILENT : 'it cannot be reached';
    }
    // Another one has taken its place, or the page left on purpose.
    if (this.#connection !== connection) return;
    connection.abort();
    this.#fail(reason);
  }

  /** Ends with the reason why it ended. */
  async #read(connection: AbortController): Promise<string> {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (this.#lastId !== '') headers['last-event-id'] = this.#lastId;
    let watchdog = this.#watch(connection);
    try {
      const answer = await this.#world.fetch(this.#url, { headers, signal: connection.signal });
      if (answer.status === 401) {
        if (this.#connection === connection) this.#refuse();
        return 'it asks for a token';
      }
      if (!answer.ok || answer.body === null) return `it answered with status ${answer.status}`;
      if (this.#connection !== connection) return 'superseded';
      this.#open();
      const parser = new SseParser(this.#lastId);
      const decoder = new TextDecoder();
      const reader = answer.body.getReader();
      connection.signal.addEventListener('abort', () => void reader.cancel().catch(() => {}));
      for (;;) {
        const { done, value } = await reader.read();
        if (this.#connection !== connection) return 'superseded';
        if (connection.signal.aborted) return SILENT;
        if (done) return 'it closed the connection';
        watchdog();
        watchdog = this.#watch(connection);
        for (const event of parser.push(decoder.decode(value, { stream: true }))) this.#take(event);
      }
    } finally {
      watchdog();
    }
  }

  #watch(connection: AbortController): () => void {
    const cancel = this.#world.after(SILENT_MS, () => connection.abort());
    connection.signal.addEventListener('abort', cancel, { once: true });
    return () => {
      connection.signal.removeEventListener('abort', cancel);
      cancel();
    };
  }

  #open(): void {
    // Without an id the daemon cannot know where to begin.
    const missed = this.#opened && this.#lastId === '';
    this.#opened = true;
    this.#attempt = 0;
    this.#apply({ type: 'opened' });
    if (missed) this.#options.onGap();
  }

  #take(event: ServerEvent): void {
    this.#lastId = event.id;
    if (event.type === 'reset') this.#options.onGap();
    else this.#options.onEvent(event);
  }

  #refuse(): void {
    this.#connection = undefined;
    this.#apply({ type: 'refused' });
  }

  #fail(reason: string): void {
    this.#attempt += 1;
    const delayMs = retryDelayMs(this.#attempt, () => this.#world.random());
    const nowMs = this.#world.now();
    this.#cancelRetry = this.#world.after(delayMs, () => this.#retry());
    this.#apply({ type: 'failed', nowMs, reason, retryAtMs: nowMs + delayMs });
  }

  #retry(): void {
    this.#apply({ type: 'retrying' });
    void this.#connect();
  }
}

const FIRST_MS = 500;
const MOST_MS = 10_000;

/** How long to wait before attempt 1, 2, …: doubled each time, up to ten seconds, and spread so that pages do not come at once. */
export function retryDelayMs(attempt: number, random: () => number): number {
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** (attempt - 1));
  return Math.round(most * (0.75 + 0.5 * random()));
}
