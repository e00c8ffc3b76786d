import type { Sample } from '../core/ingest/preset/samples.ts';
import type { Millis } from '../core/reading.ts';

/** Enough of a topic to see what varies; a whole day would add nothing. */
const SAMPLES_PER_TOPIC = 50;
/** Limits of a command. */
const COMMAND: GatheringLimits = { topics: 20_000, bytes: 64 * 1024 ** 2 };
/** Bytes of a sample without its payload and topic. */
const SAMPLE_BYTES = 200;

export interface GatheringLimits {
  readonly topics: number;
  /** Bytes of all samples. */
  readonly bytes: number;
}

/** Everything that was gathered, as it can be passed to a thread. */
export interface GatheringSnapshot {
  readonly samples: readonly Sample[];
  readonly counts: ReadonlyMap<string, number>;
  readonly messages: number;
  readonly overlooked: number;
  readonly hasArrivalTimes: boolean;
  readonly firstMs: Millis;
  readonly lastMs: Millis;
}

/** The received messages, within bounds: some of each topic in the order of their arrival, and a count of all. */
export class Gathering {
  readonly samples: Sample[] = [];
  readonly counts = new Map<string, number>();
  messages = 0;
  /** Messages of which neither topic nor payload is stored: too many topics, or too much data. */
  overlooked = 0;
  /** False: a capture without arrival times. */
  hasArrivalTimes = true;
  private bytes = 0;
  private firstMs = Infinity;
  private lastMs = -Infinity;
  private readonly limits: GatheringLimits;

  constructor(limits = COMMAND) {
    this.limits = limits;
  }

  /** With payloads of their own: each may be a part of a larger buffer, which would be passed on with it. */
  snapshot(): GatheringSnapshot {
    const { counts, messages, overlooked, hasArrivalTimes, firstMs, lastMs } = this;
    const samples = this.samples.map((sample) => ({ ...sample, payload: Uint8Array.from(sample.payload) }));
    return { samples, counts, messages, overlooked, hasArrivalTimes, firstMs, lastMs };
  }

  /** It gathers no more. */
  static of({ samples, counts, ...others }: GatheringSnapshot): Gathering {
    const gathering = new Gathering();
    gathering.samples.push(...samples);
    for (const [topic, count] of counts) gathering.counts.set(topic, count);
    return Object.assign(gathering, others);
  }

  add(message: Sample): void {
    this.messages++;
    this.firstMs = Math.min(this.firstMs, message.receivedAtMs);
    this.lastMs = Math.max(this.lastMs, message.receivedAtMs);
    const count = this.counts.get(message.topic) ?? 0;
    if (count === 0 && this.counts.size >= this.limits.topics) {
      this.overlooked++;
      return;
    }
    this.counts.set(message.topic, count + 1);
    if (count >= SAMPLES_PER_TOPIC) return;
    const size = message.payload.length + message.topic.length * 2 + SAMPLE_BYTES;
    if (this.bytes + size > this.limits.bytes) {
      this.overlooked++;
      return;
    }
    this.bytes += size;
    this.samples.push(message);
  }

  /** Until when all messages of a topic are among the samples; undefined: it had more. */
  heardUntilMs(topic: string): Millis | undefined {
    const isWhole = this.overlooked === 0 && (this.counts.get(topic) ?? 0) <= SAMPLES_PER_TOPIC;
    return isWhole ? this.lastMs : undefined;
  }

  /** From the first message to the last. */
  get spanMs(): number {
    return this.messages === 0 ? 0 : this.lastMs - this.firstMs;
  }
}
