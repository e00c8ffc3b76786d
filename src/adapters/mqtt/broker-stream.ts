import { Duplex } from 'node:stream';
import { FrameReader, type FrameSettings, MalformedPacket, type PublishFrame } from './frame-reader.ts';

/**
 * This many packets are read per event loop iteration. A socket that always has more to read would otherwise be read for
 * megabytes at a time, and each round trip of a commit would wait behind thousands of messages.
 */
const PACKETS_PER_TURN = 256;
/** The same for payload bytes: reading one large message takes as long as a thousand small ones. */
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

  /** What MQTT.js has not read yet may say why. */
  #end(): void {
    if (this.readableLength === 0) {
      this.destroy();
      return;
    }
    this.once('end', () => this.destroy());
    this.push(null);
  }
}
