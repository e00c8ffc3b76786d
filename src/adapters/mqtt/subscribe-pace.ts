import type { Logger } from '../../ports/metrics.ts';

export interface PacketLimits {
  readonly maxFilters: number;
  readonly maxBytes: number;
}

/** For a broker that hangs up on larger packets, packets of these sizes are tried. AWS IoT Core accepts 8. */
const STEPS = [8, 1] as const;
/** An end at a SUBSCRIBE may be chance: a broker that restarts, a listener that is full. */
const ENDS_TO_SHRINK = 3;
/** A single filter at which the broker hung up this many times is left out for a while, so that the others work. */
const ENDS_TO_LEAVE_OUT = 5;
const LEFT_OUT_MS = 10 * 60_000;
/** Fixed header, packet id and properties of a SUBSCRIBE, generously. */
const PACKET_OVERHEAD_BYTES = 32;

/**
 * How many filters go into one SUBSCRIBE, and in which order. MQTT cannot query the limit of a broker, and cloud brokers
 * hang up at a larger packet, at one subscription too many, or at a filter that the account may not read.
 * So a connection that the broker closes while a SUBSCRIBE waits for its answer makes the next packets smaller. A single
 * filter at which it closes comes last from then on, and is left out for a while once it has ended several connections
 * that had taken other filters. A link that breaks (`closedByBroker` false) teaches nothing.
 */
export class SubscribePace {
  readonly #logger: Logger;
  #learned = Infinity;
  /** The packet at which the broker closed last, and how many times in a row. */
  #endsAtPacket = { packet: '', times: 0 };
  #pending: readonly string[] = [];
  #answeredOnConnection = 0;
  readonly #endsAt = new Map<string, number>();
  readonly #leftOutUntilMs = new Map<string, number>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** `filters` without those that are left out, in packets that the broker accepts as far as known. */
  packets(filters: readonly string[], limits: PacketLimits, nowMs: number): string[][] {
    const maxFilters = Math.min(limits.maxFilters, this.#learned);
    const packets: string[][] = [];
    let bytes = Infinity;
    for (const filter of this.#suspectsLast(filters)) {
      if (this.#isLeftOut(filter, nowMs)) continue;
      const cost = Buffer.byteLength(filter) + 3;
      const last = packets.at(-1);
      if (last !== undefined && last.length < maxFilters && bytes + cost <= limits.maxBytes) {
        last.push(filter);
        bytes += cost;
      } else {
        packets.push([filter]);
        bytes = PACKET_OVERHEAD_BYTES + cost;
      }
    }
    return packets;
  }

  leftOut(nowMs: number): string[] {
    return [...this.#leftOutUntilMs.keys()].filter((filter) => this.#isLeftOut(filter, nowMs));
  }

  /** A packet was sent and waits for its answer. */
  sent(filters: readonly string[]): void {
    this.#pending = filters;
  }

  answered(): void {
    for (const filter of this.#pending) this.#endsAt.delete(filter);
    this.#answeredOnConnection += this.#pending.length;
    this.#pending = [];
  }

  /** The broker accepts no connection: what ended before had this cause, and not a SUBSCRIBE. */
  brokerAway(): void {
    this.#endsAtPacket = { packet: '', times: 0 };
    this.#endsAt.clear();
  }

  /**
   * The connection ended. When the broker closed it while a packet was waiting for its answer, learns from it and
   * returns how many filters that held; undefined when the end has nothing to do with subscribing.
   */
  ended(closedByBroker: boolean, nowMs: number): number | undefined {
    const pending = this.#pending;
    const answered = this.#answeredOnConnection;
    this.#pending = [];
    this.#answeredOnConnection = 0;
    const [filter] = pending;
    if (filter === undefined || !closedByBroker) return undefined;
    if (pending.length === 1) this.#endedAt(filter, answered, nowMs);
    else this.#endedAtPacket(pending);
    return pending.length;
  }

  #endedAtPacket(pending: readonly string[]): void {
    const count = pending.length;
    const packet = pending.join('\0');
    const times = packet === this.#endsAtPacket.packet ? this.#endsAtPacket.times + 1 : 1;
    this.#endsAtPacket = { packet, times };
    if (times < ENDS_TO_SHRINK) return;
    this.#learned = STEPS.find((step) => step < count) ?? 1;
    this.#logger.warn(
      {
        filters: count,
        next: this.#learned,
        remedy: `If the broker limits the filters of a SUBSCRIBE, set mqtt.max_subscribe_filters: ${this.#learned}.`,
      },
      'mqtt: the broker closes the connection at a SUBSCRIBE, trying fewer filters in a packet',
    );
  }

  #endedAt(filter: string, answered: number, nowMs: number): void {
    const times = (this.#endsAt.get(filter) ?? 0) + 1;
    this.#endsAt.set(filter, times);
    if (times < ENDS_TO_LEAVE_OUT || answered === 0) return;
    this.#leftOutUntilMs.set(filter, nowMs + LEFT_OUT_MS);
    this.#logger.error(
      {
        filter,
        active: answered,
        retry_in_ms: LEFT_OUT_MS,
        remedy:
          'Check the access rules of the broker for this filter, and its limit of subscriptions for a connection (AWS IoT Core: 50): fewer routes with wider wildcards need fewer.',
      },
      'mqtt: the broker closes the connection at this filter, subscribing to the others without it',
    );
  }

  #suspectsLast(filters: readonly string[]): readonly string[] {
    if (this.#endsAt.size === 0) return filters;
    return [...filters].sort((a, b) => (this.#endsAt.get(a) ?? 0) - (this.#endsAt.get(b) ?? 0));
  }

  #isLeftOut(filter: string, nowMs: number): boolean {
    const untilMs = this.#leftOutUntilMs.get(filter);
    if (untilMs === undefined) return false;
    if (nowMs < untilMs) return true;
    this.#leftOutUntilMs.delete(filter);
    return false;
  }
}
