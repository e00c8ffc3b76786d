import { randomBytes } from 'node:crypto';
import type { Clock } from '../../ports/time.ts';

/** A reader of the stream. */
export interface Subscriber {
  /** Keys of sensors whose values are wanted. */
  readonly sensors: ReadonlySet<string>;
  /** False: it is gone, or does not read. */
  send(text: string): boolean;
}

export interface NewEvent {
  readonly name: string;
  readonly data: unknown;
}

interface Kept {
  readonly number: number;
  readonly text: string;
}

const MAX_KEPT = 2000;
const MAX_KEPT_CHARACTERS = 2_000_000;

/**
 * The events of this process, numbered. Those that change something are kept for clients that reconnect; an id of
 * another process, or of a time without clients, cannot be resumed from.
 */
export class EventHub {
  readonly #clock: Clock;
  /** Distinguishes the ids of one process from those of another. */
  readonly #process = randomBytes(6).toString('hex');
  readonly #subscribers = new Set<Subscriber>();
  readonly #kept: Kept[] = [];
  #characters = 0;
  #last = 0;
  /** The oldest id from which nothing was missed. */
  #resumable = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#subscribers.size;
  }

  /** The keys that any of them wants. */
  wanted(most: number): readonly string[] {
    const keys = new Set<string>();
    for (const { sensors } of this.#subscribers)
      for (const key of sensors) if (keys.size < most) keys.add(key);
    return [...keys];
  }

  /** Sends `hello`, then what was missed since `lastId`, or `reset` where that is not known. */
  add(subscriber: Subscriber, hello: unknown, lastId: string | undefined): void {
    const missed = lastId === undefined ? [] : this.#since(lastId);
    const reset = missed === undefined ? frame('reset', { now: this.#now() }) : '';
    const texts = (missed ?? []).map(({ text }) => text);
    // The id is that of the last event: with it a client that sees no other one resumes, too.
    if (subscriber.send(frame('hello', hello) + reset + texts.join('') + idOnly(this.#id(this.#last))))
      this.#subscribers.add(subscriber);
  }

  remove(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
  }

  /** To all: the events that change something are kept, the others are of this moment. */
  publish(lasting: readonly NewEvent[], momentary: readonly NewEvent[] = []): void {
    const kept = lasting.map(({ name, data }) => this.#keep(name, data));
    const text = kept.join('') + momentary.map(({ name, data }) => frame(name, data)).join('');
    if (text !== '') this.#each(() => text);
  }

  /** To those who want them, without a number. */
  publishTo(events: readonly (NewEvent & { readonly sensor: string })[]): void {
    if (events.length === 0) return;
    const frames = events.map(({ name, data, sensor }) => ({ sensor, text: frame(name, data) }));
    this.#each(({ sensors }) =>
      frames
        .filter(({ sensor }) => sensors.has(sensor))
        .map(({ text }) => text)
        .join(''),
    );
  }

  /** More happened than is sent one by one: every client reads again. */
  reset(): void {
    this.#forget();
    const text = frame('reset', { now: this.#now() }, this.#id(this.#last));
    this.#each(() => text);
  }

  /** No client was connected, so no change was noticed. */
  resume(): void {
    this.#forget();
  }

  #forget(): void {
    this.#kept.length = 0;
    this.#characters = 0;
    this.#last += 1;
    this.#resumable = this.#last;
  }

  #each(textFor: (subscriber: Subscriber) => string): void {
    for (const subscriber of this.#subscribers) {
      const text = textFor(subscriber);
      if (text !== '' && !subscriber.send(text)) this.#subscribers.delete(subscriber);
    }
  }

  #keep(name: string, data: unknown): string {
    this.#last += 1;
    const kept = { number: this.#last, text: frame(name, data, this.#id(this.#last)) };
    this.#kept.push(kept);
    this.#characters += kept.text.length;
    while (this.#kept.length > MAX_KEPT || this.#characters > MAX_KEPT_CHARACTERS) {
      const dropped = this.#kept.shift() as Kept;
      this.#characters -= dropped.text.length;
      this.#resumable = dropped.number;
    }
    return kept.text;
  }

  /** Undefined: not all of it is known. */
  #since(lastId: string): readonly Kept[] | undefined {
    const [process, text = ''] = lastId.split('-');
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (process !== this.#process || !(number >= this.#resumable && number <= this.#last)) return undefined;
    return this.#kept.filter((each) => each.number > number);
  }

  #id(number: number): string {
    return `${this.#process}-${number}`;
  }

  #now(): string {
    return new Date(this.#clock.nowMs()).toISOString();
  }
}

/** JSON has no line end of its own. */
const frame = (name: string, data: unknown, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

const idOnly = (id: string): string => `id: ${id}\n\n`;
