import { messageOf } from '../../core/errors.ts';
import { type BackoffLimits, type RandomSource, backoffMs } from '../../lib/backoff.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import { deadline } from '../../lib/timeout.ts';
import type { Gauge, Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import type { MqttConnection } from './connection.ts';
import { type PacketLimits, SubscribePace } from './subscribe-pace.ts';
import type { SubscriptionMemory } from './subscription-memory.ts';

/** Filters of one UNSUBSCRIBE: small enough for the packet limit of any broker. */
const UNSUBSCRIBE_FILTERS = 8;
/** A broker that owes a SUBACK this long has lost it; while paused it is not read. Then the filters are retried. */
const ANSWER_MS = 10_000;

/** The connection ended at this filter again and again; no code of MQTT. */
const LEFT_OUT = 1000;

const DEFAULT_REMEDY = 'Check the access rules of the broker for this user and the filter itself.';
const SUBACK_REMEDIES: Readonly<Record<number, string>> = {
  143: 'The broker does not take this filter: check its wildcards and length.',
  151: 'A quota of the broker is used up: fewer routes with wider wildcards need fewer subscriptions.',
  158: 'The broker has no shared subscriptions: remove mqtt.share_group, or use a broker that has them.',
  162: 'The broker has no wildcard subscriptions: allow them, or use routes whose topics have no + or #.',
};

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
  /** The reason code with which the broker announced to refuse a filter; it is not requested then. */
  readonly refusalOf: (filter: string) => number | undefined;
  /** False where the CONNACK said QoS 0 only, which is logged once for the connection and not for each filter. */
  readonly offersQos1: () => boolean;
  /** The subscription identifier of a filter that overlaps with others; such a filter has a packet of its own. */
  readonly identifierOf: (filter: string) => number | undefined;
  /** How large a SUBSCRIBE may be on the present connection. */
  readonly packet: () => PacketLimits;
}

/** Makes the broker's subscriptions equal to the wanted ones: all of them after a connect, the difference later. */
export class Subscriptions {
  readonly #deps: SubscriptionDeps;
  readonly #pace: SubscribePace;
  #wanted: ReadonlySet<string>;
  /** Filters that the persistent session may hold: always a superset of the truth, also after a crash. */
  #remembered = new Set<string>();
  #savedText = '';
  /** Confirmed on the present connection, with the identifier each was subscribed with. */
  readonly #active = new Map<string, number | undefined>();
  /** Refused filters and why; each is logged once per reason. */
  #failed = new Map<string, number>();
  #saidOutcome = '';
  #connection: MqttConnection | undefined;
  /** One pass at a time: a reload during a reconnect must not interleave with it. */
  readonly #passes: PollLoop;
  #retries = 0;

  constructor(filters: readonly string[], deps: SubscriptionDeps) {
    this.#wanted = new Set(filters);
    this.#deps = deps;
    this.#pace = new SubscribePace(deps.logger);
    this.#passes = new PollLoop({ clock: deps.clock, everyMs: Infinity, run: () => this.#pass() });
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
    this.#connection = connection;
    this.#active.clear();
    this.#saidOutcome = '';
    if (!sessionPresent) this.#remembered.clear();
    return this.#passes.now();
  }

  /** The connection ended: returns how many filters the SUBSCRIBE held at which it ended, if at one. */
  detach(closedByBroker = false): number | undefined {
    const wasConnected = this.#connection !== undefined;
    this.#connection = undefined;
    if (wasConnected) return this.#pace.ended(closedByBroker, this.#deps.clock.monotonicMs());
    this.#pace.brokerAway();
    return undefined;
  }

  /** The next set of filters; without a connection it takes effect at the next connect. */
  replace(filters: readonly string[]): Promise<void> {
    this.#wanted = new Set(filters);
    this.#saidOutcome = '';
    return this.#passes.now();
  }

  /** Returns when it is repeated, if it must be. Never rejects. */
  async #pass(): Promise<number | void> {
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
        this.#deps.logger.warn({ error: messageOf(error) }, 'mqtt: no answer to the subscription');
      }
    }
    if (connection !== this.#connection) return;
    for (const filter of this.#failed.keys()) if (!this.#wanted.has(filter)) this.#failed.delete(filter);
    this.#deps.failedGauge.set(this.#failed.size);
    if (!incomplete) this.#settled();
    if (incomplete || this.#failed.size > 0) return this.#retryInMs();
    this.#retries = 0;
  }

  /** Logged once per connection and change, not at every retry of a refused filter. */
  #settled(): void {
    const outcome = `${this.#active.size}/${this.#failed.size}`;
    if (outcome === this.#saidOutcome) return;
    this.#saidOutcome = outcome;
    this.#deps.onSettled(this.#active.size, this.#failed.size);
  }

  async #dropUnwanted(connection: MqttConnection): Promise<void> {
    const gone = [...this.#remembered].filter((filter) => !this.#wanted.has(filter));
    for (const chunk of chunks(gone, UNSUBSCRIBE_FILTERS)) {
      await this.#answered(connection.unsubscribe(chunk));
      for (const filter of chunk) {
        this.#remembered.delete(filter);
        this.#active.delete(filter);
      }
    }
    if (gone.length === 0) return;
    this.#deps.logger.info({ filters: gone }, 'mqtt: unsubscribed filters that are no longer configured');
    await this.#remember([...this.#remembered]);
  }

  async #addMissing(connection: MqttConnection): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs();
    const { identifierOf } = this.#deps;
    const missing = [...this.#wanted].filter(
      (filter) => !this.#active.has(filter) || this.#active.get(filter) !== identifierOf(filter),
    );
    const refused = missing.filter((filter) => this.#refuseUnasked(filter));
    const asked = refused.length === 0 ? missing : missing.filter((filter) => !refused.includes(filter));
    for (const filter of this.#pace.leftOut(nowMs)) this.#failed.set(filter, LEFT_OUT);
    for (const packet of this.#packets(asked, nowMs)) {
      this.#pace.sent(packet);
      const [only] = packet;
      const identifier = only === undefined ? undefined : this.#deps.identifierOf(only);
      const codes = await this.#answered(
        connection.subscribe(packet, { retainHandling: this.#deps.retainHandling, identifier }),
      );
      this.#pace.answered();
      packet.forEach((filter, index) => this.#outcome(filter, codes[index] ?? 128));
    }
  }

  /** An identifier belongs to a packet and all its filters (MQTT 5, 3.8.2.1.2). */
  #packets(asked: readonly string[], nowMs: number): string[][] {
    const limits = this.#deps.packet();
    const isAlone = (filter: string) => this.#deps.identifierOf(filter) !== undefined;
    const together = asked.filter((filter) => !isAlone(filter));
    const alone = asked.filter(isAlone);
    return [
      ...this.#pace.packets(together, limits, nowMs),
      ...this.#pace.packets(alone, { ...limits, maxFilters: 1 }, nowMs),
    ];
  }

  /** A filter that the CONNACK excludes is refused without a request. */
  #refuseUnasked(filter: string): boolean {
    const code = this.#deps.refusalOf(filter);
    if (code === undefined) return false;
    this.#outcome(filter, code);
    return true;
  }

  /** SUBACK: 0 to 2 is the QoS granted, 128 and up a refusal (MQTT 5, 3.9.3; MQTT 3.1.1 knows 128 only). */
  #outcome(filter: string, code: number): void {
    const { logger } = this.#deps;
    if (code >= 128) {
      if (this.#failed.get(filter) !== code) {
        logger.error(
          {
            filter,
            code,
            remedy: SUBACK_REMEDIES[code] ?? DEFAULT_REMEDY,
          },
          'mqtt: the broker refused a subscription',
        );
      }
      this.#failed.set(filter, code);
      return;
    }
    this.#active.set(filter, this.#deps.identifierOf(filter));
    if (this.#failed.delete(filter)) logger.info({ filter }, 'mqtt: a refused subscription is accepted now');
    if (code === 0 && this.#deps.offersQos1()) {
      logger.warn({ filter }, 'mqtt: the broker grants only QoS 0: messages can be lost');
    }
  }

  #retryInMs(): number {
    const { backoff, random } = this.#deps;
    return backoffMs(this.#retries++, backoff, random);
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

function chunks(filters: readonly string[], size: number): string[][] {
  const result: string[][] = [];
  for (let at = 0; at < filters.length; at += size) result.push(filters.slice(at, at + size));
  return result;
}
