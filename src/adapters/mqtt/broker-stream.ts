import { Duplex } from 'node:stream';
import { TopicNames } from './topic-names.ts';

/**
 * This many packets are read per event loop iteration. A socket that always has more to read would otherwise be read for
 * megabytes at a time, and each round trip of a commit would wait behind thousands of messages.
 */
const PACKETS_PER_TURN = 256;
/** Payload bytes per iteration: reading one large message takes as long as a thousand small ones. */
const BYTES_PER_TURN = 64 * 1024;

/** `open` hands over; `paused` reads no further than to the next message; `discarding` reads on, for PINGRESP and PUBACK, and hands nothing over. */
export type GateMode = 'open' | 'paused' | 'discarding';

export interface BrokerStreamEvents {
  onPublish(frame: PublishFrame): void;
  onPingresp(): void;
  /** The stream is destroyed after this. */
  onMalformed(problem: string): void;
}

const PINGRESP = 13;
const PINGREQ = Buffer.of(0xc0, 0);

/**
 * Stands between the socket and MQTT.js, as the stream of its client. Messages are read here, and MQTT.js never sees one: so it
 * never acknowledges one, and does not hold back what comes behind a message. So are the answers to pings, which are sent
 * here. All other packets go on to MQTT.js, in their order.
 */
export class BrokerStream extends Duplex {
  /** Bytes received so far: any of them is a sign of life. */
  received = 0;
  readonly #socket: Duplex;
  readonly #reader: FrameReader;
  readonly #events: BrokerStreamEvents;
  #mode: GateMode;
  #packetsInTurn = 0;
  #bytesInTurn = 0;
  /** The message at which a paused gate stopped: read, and not handed over. */
  #stopped: PublishFrame | undefined;
  /** Until the next turn of the event loop nothing is read. */
  #resting = false;
  #reading = false;
  #flowing = true;

  constructor(socket: Duplex, settings: FrameSettings, mode: GateMode, events: BrokerStreamEvents) {
    super();
    this.#socket = socket;
    this.#reader = new FrameReader(settings);
    this.#mode = mode;
    this.#events = events;
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length;
      this.#reader.append(chunk);
      this.#work();
    });
    socket.on('error', (error) => this.destroy(error));
    socket.once('close', () => this.#end());
  }

  setMode(mode: GateMode): void {
    this.#mode = mode;
    this.#work();
  }

  ping(): void {
    this.write(PINGREQ);
  }

  override _read(): void {
    // What is pushed are answers to what MQTT.js has sent: it is not more than that.
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, encoding, done);
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer; readonly encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#socket.cork();
    chunks.forEach(({ chunk, encoding }, index) =>
      this.#socket.write(chunk, encoding, index === chunks.length - 1 ? done : undefined),
    );
    this.#socket.uncork();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #work(): void {
    if (this.#reading || this.#resting || this.destroyed) return;
    this.#reading = true;
    try {
      this.#flow(this.#readPackets());
    } catch (error) {
      if (!(error instanceof MalformedPacket)) throw error;
      this.#events.onMalformed(error.message);
      this.destroy();
    } finally {
      this.#reading = false;
    }
  }

  /** False: there may be further packets, to be read later. */
  #readPackets(): boolean {
    for (;;) {
      if (this.#packetsInTurn >= PACKETS_PER_TURN || this.#bytesInTurn >= BYTES_PER_TURN) {
        this.#rest();
        return false;
      }
      const packet = this.#stopped ?? this.#reader.next();
      if (packet === undefined) return true;
      if (packet instanceof Uint8Array) this.#pass(packet);
      else if (this.#mode === 'paused') {
        this.#stopped = packet;
        return false;
      } else {
        this.#stopped = undefined;
        this.#bytesInTurn += packet.payload.length;
        if (this.#mode === 'open') this.#events.onPublish(packet);
      }
      this.#packetsInTurn++;
    }
  }

  #pass(packet: Buffer): void {
    if ((packet[0] as number) >> 4 === PINGRESP) this.#events.onPingresp();
    else this.push(packet);
  }

  #rest(): void {
    this.#resting = true;
    setImmediate(() => {
      this.#resting = false;
      this.#packetsInTurn = 0;
      this.#bytesInTurn = 0;
      this.#work();
    });
  }

  /** The broker waits for a paused socket. */
  #flow(flowing: boolean): void {
    if (flowing === this.#flowing || this.destroyed) return;
    this.#flowing = flowing;
    if (flowing) this.#socket.resume();
    else this.#socket.pause();
  }

  /** Packets that MQTT.js has not read yet may give the reason. */
  #end(): void {
    if (this.readableLength === 0) {
      this.destroy();
      return;
    }
    this.once('end', () => this.destroy());
    this.push(null);
  }
}

/** A PUBLISH packet (MQTT 3.1.1 and 5.0, section 3.3). */
export interface PublishFrame {
  readonly topic: string;
  /** A view of the bytes that were received: the rest of their chunk, 64 KiB at most, lives as long as it does. */
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 at QoS 0. */
  readonly packetId: number;
  readonly contentType: string | undefined;
  readonly subscriptionIds: readonly number[] | undefined;
}

/** Bytes that are no packet of this MQTT version: there is no way to tell where the next one begins. */
export class MalformedPacket extends Error {
  override readonly name = 'MalformedPacket';
}

export interface FrameSettings {
  readonly protocolVersion: 4 | 5;
  /** Bytes, as CONNECT announced; MQTT 5 only. */
  readonly maximumPacketSize: number | undefined;
}

const PUBLISH = 3;

/**
 * Cuts what a broker sends into packets, and decodes those that carry messages; the others stay bytes, for MQTT.js.
 * Pure: it is given chunks of any size, and asked for packet after packet.
 */
export class FrameReader {
  readonly #isV5: boolean;
  readonly #largest: number;
  readonly #topics = new TopicNames();
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Chunks after `#bytes`, of a packet that is not complete. */
  #chunks: Buffer[] = [];
  /** Received and not read. */
  #available = 0;
  /** As much has to be there before the next packet can be read. */
  #needed = 0;

  constructor({ protocolVersion, maximumPacketSize }: FrameSettings) {
    this.#isV5 = protocolVersion === 5;
    this.#largest = maximumPacketSize ?? Infinity;
  }

  append(chunk: Buffer): void {
    if (this.#available === 0) {
      this.#bytes = chunk;
      this.#at = 0;
    } else this.#chunks.push(chunk);
    this.#available += chunk.length;
  }

  /** The next packet: a PUBLISH, or the bytes of another one; undefined: it is not complete. Throws `MalformedPacket`. */
  next(): PublishFrame | Buffer | undefined {
    if (this.#available < this.#needed || this.#available < 2) return undefined;
    if (this.#chunks.length > 0) this.#join();
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start + 1;
    let length = 0;
    for (let unit = 1; ; unit *= 128) {
      if (at - start > 4) throw new MalformedPacket('Invalid variable byte integer');
      if (at >= bytes.length) return this.#wait(at - start + 1);
      const byte = bytes[at++] as number;
      length += (byte & 0x7f) * unit;
      if (byte < 0x80) break;
    }
    const end = at + length;
    const first = bytes[start] as number;
    if (end - start > this.#largest)
      throw new MalformedPacket(
        `exceeding packets size: ${end - start} bytes, maximumPacketSize is ${this.#largest}`,
      );
    if (end > bytes.length) return this.#wait(end - start);
    this.#needed = 0;
    this.#at = end;
    this.#available -= end - start;
    return first >> 4 === PUBLISH ? this.#publish(first, at, end) : bytes.subarray(start, end);
  }

  #wait(needed: number): undefined {
    this.#needed = needed;
  }

  #join(): void {
    this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), ...this.#chunks]);
    this.#at = 0;
    this.#chunks = [];
  }

  #publish(first: number, start: number, end: number): PublishFrame {
    const bytes = this.#bytes;
    const qos = (first >> 1) & 3;
    if (qos === 3) throw new MalformedPacket('Packet must not have both QoS bits set to 1');
    const topicAt = start + 2;
    let at = topicAt > end ? Infinity : topicAt + bytes.readUInt16BE(start);
    if (at > end) throw new MalformedPacket('Cannot parse topic');
    const topic = this.#topics.read(bytes, topicAt, at);
    let packetId = 0;
    if (qos > 0) {
      if (at + 2 <= end) packetId = bytes.readUInt16BE(at);
      if (packetId === 0) throw new MalformedPacket('Cannot parse messageId');
      at += 2;
    }
    let contentType: string | undefined;
    let subscriptionIds: readonly number[] | undefined;
    if (this.#isV5) {
      // Most messages have no properties.
      if (at < end && bytes[at] === 0) at++;
      else {
        const properties = new Properties(bytes, at, end);
        ({ contentType, subscriptionIds } = properties);
        at = properties.end;
      }
    }
    return {
      topic,
      payload: bytes.subarray(at, end),
      qos: qos as 0 | 1 | 2,
      retain: (first & 1) !== 0,
      dup: (first & 8) !== 0,
      packetId,
      contentType,
      subscriptionIds,
    };
  }
}

const [CONTENT_TYPE, SUBSCRIPTION_ID, TOPIC_ALIAS] = [3, 11, 35];

/** How the properties of MQTT 5 that a PUBLISH may have are encoded (2.2.2.2): bytes of a number, or one of these. */
const [TEXT, VARIABLE, PAIR] = [-1, -2, -3];
const ENCODINGS: Readonly<Record<number, number>> = {
  1: 1, // payload format
  2: 4, // message expiry
  [CONTENT_TYPE]: TEXT,
  8: TEXT, // response topic
  9: TEXT, // correlation data
  [SUBSCRIPTION_ID]: VARIABLE,
  38: PAIR, // user property
};

/** The properties of a PUBLISH (3.3.2.3), read from `at` on. */
class Properties {
  readonly end: number;
  contentType: string | undefined;
  subscriptionIds: number[] | undefined;
  readonly #bytes: Buffer;
  #at: number;
  #limit: number;

  constructor(bytes: Buffer, at: number, limit: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#limit = limit;
    const length = this.#variable();
    this.end = this.#at + length;
    if (this.end > limit) throw new MalformedPacket('Cannot parse properties');
    this.#limit = this.end;
    while (this.#at < this.end) this.#property();
  }

  #property(): void {
    const id = this.#variable();
    // CONNECT announces no maximum, so the broker may use none.
    if (id === TOPIC_ALIAS)
      throw new MalformedPacket('Topic alias, and no Topic Alias Maximum was advertised');
    const encoding = ENCODINGS[id];
    if (encoding === undefined) throw new MalformedPacket('Unknown property');
    if (id === SUBSCRIPTION_ID) (this.subscriptionIds ??= []).push(this.#variable());
    else if (id === CONTENT_TYPE) {
      const [start, end] = this.#text();
      this.contentType = this.#bytes.toString('utf8', start, end);
    } else if (encoding === TEXT) this.#text();
    else if (encoding === PAIR) {
      this.#text();
      this.#text();
    } else this.#skip(encoding);
  }

  #text(): readonly [start: number, end: number] {
    const at = this.#skip(2);
    const start = this.#skip(this.#bytes.readUInt16BE(at));
    return [start, this.#at];
  }

  #variable(): number {
    let value = 0;
    for (let unit = 1; unit <= 128 ** 3; unit *= 128) {
      const byte = this.#bytes[this.#skip(1)] as number;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
    }
    throw new MalformedPacket('Invalid variable byte integer');
  }

  /** Where the skipped bytes begin. */
  #skip(bytes: number): number {
    const start = this.#at;
    this.#at += bytes;
    if (this.#at > this.#limit) throw new MalformedPacket('Cannot parse properties');
    return start;
  }
}
