import { backoffMs, type BackoffLimits, type RandomSource } from '../../core/backoff.ts';
import { messageOf } from '../../core/errors.ts';
import type { Clock, Gauge, Logger, Timer } from '../../ports.ts';
import type { MqttConnection } from './connection.ts';
import type { SubscriptionMemory } from './subscription-memory.ts';
import { deadline } from './wait.ts';

/** Filters per packet: small enough for any broker's packet limit, and one bad packet fails only its own filters. */
const CHUNK = 100;
/** A broker that owes a SUBACK this long has lost it; while paused nobody reads it. Then the filters are tried again. */
const ANSWER_MS = 10_000;

export interface SubscriptionDeps {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Every filter has its answer: how many are active, how many the broker refuses. */
  readonly onSettled: (active: number, refused: number) => void;
  readonly failedGauge: Gauge;
  readonly backoff: BackoffLimits;
  readonly memory: SubscriptionMemory | undefined;
  readonly retainHandling: 0 | 1 | 2;
}

/** Makes the broker's subscriptions equal to the wanted ones: all of them after a connect, the difference later. */
export class Subscriptions {
  readonly #deps: SubscriptionDeps;
  #wanted: ReadonlySet<string>;
  /** What the persistent session may hold: always a superset of the truth, also after a crash. */
  #remembered = new Set<string>();
  #savedText = '';
  /** Confirmed on the present connection. */
  #active = new Set<string>();
  /** Refused filters and why; each is logged once per reason. */
  #failed = new Map<string, number>();
  #saidOutcome = '';
  #connection: MqttConnection | undefined;
  #work: Promise<void> = Promise.resolve();
  #retry: Timer | undefined;
  #retries = 0;

  constructor(filters: readonly string[], deps: SubscriptionDeps) {
    this.#wanted = new Set(filters);
    this.#deps = deps;
  }

  /** Resolves with true when an earlier run left a session behind. A memory that cannot be read is logged, no more. */
  async load(): Promise<boolean> {
    try {
      this.#remembered = new Set((await this.#deps.memory?.load()) ?? []);
    } catch (error) {
      this.#deps.logger.warn({ error: messageOf(error) }, 'mqtt: cannot read the remembered subscriptions');
    }
    return this.#remembered.size > 0;
  }

  /** After a connect: everything is subscribed again, which changes nothing where the session still has it. */
  attach(connection: MqttConnection, sessionPresent: boolean): Promise<void> {
    this.detach();
    this.#connection = connection;
    this.#active.clear();
    this.#saidOutcome = '';
    if (!sessionPresent) this.#remembered.clear();
    return this.#reconcile();
  }

  detach(): void {
    this.#connection = undefined;
    this.#retry?.cancel();
    this.#retry = undefined;
  }

  /** The next set of filters; without a connection it takes effect at the next connect. */
  replace(filters: readonly string[]): Promise<void> {
    this.#wanted = new Set(filters);
    this.#saidOutcome = '';
    return this.#reconcile();
  }

  /** One at a time: a reload during a reconnect must not interleave with it. Never rejects. */
  #reconcile(): Promise<void> {
    this.#work = this.#work.then(() => this.#pass());
    return this.#work;
  }

  async #pass(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    let incomplete = false;
    try {
      // Remember before subscribing: after a crash in between, the next start still knows what to take back.
      await this.#remember([...this.#remembered, ...this.#wanted]);
      await this.#dropUnwanted(connection);
      await this.#addMissing(connection);
    } catch (error) {
      incomplete = true;
      if (connection === this.#connection) {
        this.#deps.logger.warn({ error: messageOf(error) }, 'mqtt: subscribing was not answered');
      }
    }
    if (connection !== this.#connection) return;
    for (const filter of this.#failed.keys()) if (!this.#wanted.has(filter)) this.#failed.delete(filter);
    this.#deps.failedGauge.set(this.#failed.size);
    if (!incomplete) this.#settled();
    if (incomplete || this.#failed.size > 0) this.#retryLater();
    else this.#retries = 0;
  }

  /** Says it once per connection and change, not at every retry of a refused filter. */
  #settled(): void {
    const outcome = `${this.#active.size}/${this.#failed.size}`;
    if (outcome === this.#saidOutcome) return;
    this.#saidOutcome = outcome;
    this.#deps.onSettled(this.#active.size, this.#failed.size);
  }

  async #dropUnwanted(connection: MqttConnection): Promise<void> {
    const gone = [...this.#remembered].filter((filter) => !this.#wanted.has(filter));
    for (const chunk of chunks(gone)) {
      await this.#answered(connection.unsubscribe(chunk));
      for (const filter of chunk) {
        this.#remembered.delete(filter);
        this.#active.delete(filter);
      }
    }
    if (gone.length === 0) return;
    this.#deps.logger.info({ filters: gone }, 'mqtt: unsubscribed what is no longer configured');
    await this.#remember([...this.#remembered]);
  }

  async #addMissing(connection: MqttConnection): Promise<void> {
    const missing = [...this.#wanted].filter((filter) => !this.#active.has(filter));
    for (const chunk of chunks(missing)) {
      const codes = await this.#answered(connection.subscribe(chunk, this.#deps.retainHandling));
      chunk.forEach((filter, index) => this.#judge(filter, codes[index] ?? 128));
    }
  }

  /** SUBACK: 0 to 2 is the QoS granted, 128 and up a refusal (MQTT 5, 3.9.3; MQTT 3.1.1 knows 128 only). */
  #judge(filter: string, code: number): void {
    const { logger } = this.#deps;
    if (code >= 128) {
      if (this.#failed.get(filter) !== code) {
        logger.error(
          {
            filter,
            code,
            remedy: 'Check the access rules of the broker for this user and the filter itself.',
          },
          'mqtt: the broker refused a subscription',
        );
      }
      this.#failed.set(filter, code);
      return;
    }
    this.#active.add(filter);
    if (this.#failed.delete(filter)) logger.info({ filter }, 'mqtt: a refused subscription is accepted now');
    if (code === 0) logger.warn({ filter }, 'mqtt: the broker grants only QoS 0: messages can be lost');
  }

  #retryLater(): void {
    const { backoff, random, clock } = this.#deps;
    this.#retry?.cancel();
    this.#retry = clock.after(backoffMs(this.#retries++, backoff, random), () => void this.#reconcile());
  }

  async #remember(filters: readonly string[]): Promise<void> {
    this.#remembered = new Set(filters);
    const sorted = [...this.#remembered].sort();
    const text = JSON.stringify(sorted);
    if (text === this.#savedText) return;
    try {
      await this.#deps.memory?.save(sorted);
      this.#savedText = text;
    } catch (error) {
      this.#deps.logger.warn({ error: messageOf(error) }, 'mqtt: cannot remember the subscriptions');
    }
  }

  #answered<T>(answer: Promise<T>): Promise<T> {
    return deadline(answer, ANSWER_MS, this.#deps.clock);
  }
}

function chunks(filters: readonly string[]): string[][] {
  const result: string[][] = [];
  for (let at = 0; at < filters.length; at += CHUNK) result.push(filters.slice(at, at + CHUNK));
  return result;
}
