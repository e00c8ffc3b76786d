import { crc32 } from 'node:zlib';
import type { InboundMessage } from '../../ports/messages.ts';

/** When a message arrived. */
type Arrival = Pick<InboundMessage, 'receivedAtMs' | 'arrivalUs'>;

const PACKET_IDS = 65_536;

/**
 * Recognizes a redelivered message within one run of the daemon. After a reconnect the broker sends unacknowledged
 * messages once more, under the same packet identifier and with DUP set (MQTT 4.4). A message without a time of its
 * own must then keep its first arrival time, or it would become a second row.
 *
 * Only the arrival and a checksum of each message are kept, in tables of a fixed size: the messages themselves would be
 * memory without a bound, and garbage by the time that they are forgotten.
 */
export class Redelivery {
  private readonly awaited = new Arrivals();
  /** Acknowledged last: the PUBACK may have been lost with the connection. */
  private readonly recent = new Arrivals();
  /** Redelivered messages: their first arrival, for they may be redelivered once more. */
  private readonly firsts = new WeakMap<InboundMessage, Arrival>();

  acknowledged(messages: readonly InboundMessage[]): void {
    for (const message of messages) this.remember(this.recent, message);
  }

  /** The connection is gone: held messages, and those acknowledged last, may be redelivered. */
  connectionLost(held: Iterable<InboundMessage>): void {
    this.awaited.takeAll(this.recent);
    for (const message of held) this.remember(this.awaited, message);
  }

  /** The broker discarded the session: packet identifiers are void. */
  sessionLost(): void {
    this.awaited.clear();
  }

  /** `message` with the arrival of its first delivery, if that is known; else `message`. */
  firstOf(message: InboundMessage): InboundMessage {
    const first = message.dup ? this.awaited.take(message) : undefined;
    if (first === undefined) return message;
    this.firsts.set(message, first);
    return { ...message, ...first };
  }

  private remember(arrivals: Arrivals, message: InboundMessage): void {
    if (message.qos === 1) arrivals.put(message, this.firsts.get(message) ?? message);
  }
}

/** Arrivals by packet identifier; NaN if unused. */
class Arrivals {
  private readonly arrivedUs = new Float64Array(PACKET_IDS).fill(NaN);
  private readonly receivedMs = new Float64Array(PACKET_IDS);
  private readonly checksums = new Uint32Array(PACKET_IDS);
  private readonly lengths = new Uint32Array(PACKET_IDS);

  put(message: InboundMessage, { receivedAtMs, arrivalUs }: Arrival): void {
    const id = message.packetId;
    this.arrivedUs[id] = arrivalUs;
    this.receivedMs[id] = receivedAtMs;
    this.checksums[id] = checksum(message);
    this.lengths[id] = message.payload.length;
  }

  /** Only once; undefined where another message, or none, is stored under its packet identifier. */
  take(message: InboundMessage): Arrival | undefined {
    const id = message.packetId;
    const arrivalUs = this.arrivedUs[id] ?? NaN;
    if (Number.isNaN(arrivalUs)) return undefined;
    this.arrivedUs[id] = NaN;
    if (this.lengths[id] !== message.payload.length || this.checksums[id] !== checksum(message))
      return undefined;
    return { arrivalUs, receivedAtMs: this.receivedMs[id] ?? 0 };
  }

  takeAll(other: Arrivals): void {
    for (let id = 0; id < PACKET_IDS; id++) {
      const arrivalUs = other.arrivedUs[id] ?? NaN;
      if (Number.isNaN(arrivalUs)) continue;
      this.arrivedUs[id] = arrivalUs;
      this.receivedMs[id] = other.receivedMs[id] ?? 0;
      this.checksums[id] = other.checksums[id] ?? 0;
      this.lengths[id] = other.lengths[id] ?? 0;
    }
    other.clear();
  }

  clear(): void {
    this.arrivedUs.fill(NaN);
  }
}

/** Longer payloads are left to the native function: it is faster, and calling it costs as much as this loop over 100 bytes. */
const LOOPED_BYTES = 256;

/** Tells messages of one packet identifier apart, on the path of every acknowledgement. Its steps are those of MurmurHash2 (public domain). */
function checksum({ topic, payload }: InboundMessage): number {
  if (payload.length > LOOPED_BYTES) return crc32(payload, crc32(topic));
  let hash = 0;
  const words = payload.length & ~3;
  for (let at = 0; at < words; at += 4) hash = mixed(hash, wordAt(payload, at));
  for (let at = words; at < payload.length; at++) hash = mixed(hash, payload[at] as number);
  for (let at = 0; at < topic.length; at++) hash = mixed(hash, topic.charCodeAt(at));
  return hash >>> 0;
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) |
  ((bytes[at + 1] as number) << 8) |
  ((bytes[at + 2] as number) << 16) |
  ((bytes[at + 3] as number) << 24);

function mixed(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x5bd1e995);
  return product ^ (product >>> 15);
}
