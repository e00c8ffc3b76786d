import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import type { BenchBroker } from './broker.ts';
import type { Message } from './workload.ts';

const CONNACK_BYTES = 4;
const PUBACK_BYTES = 4;
const MAX_PACKET_ID = 65_535;

interface Packets {
  readonly bytes: Buffer;
  readonly count: number;
}

type Target = Pick<BenchBroker, 'url' | 'username' | 'password'>;

/**
 * A publisher of QoS 1 messages and nothing else, in MQTT 3.1.1: many packets to one write, and PUBACKs only counted.
 * On a machine that also runs the broker, the database and the daemon, a full client would take a core from what is
 * measured.
 */
export class Publisher {
  readonly #socket: Socket;
  readonly #topics: readonly Buffer[];
  #answerBytes = 0;
  #prepared = 0;
  #sent = 0;
  #failure: Error | undefined;
  #changed: () => void = () => undefined;

  private constructor(socket: Socket, topics: readonly string[]) {
    this.#socket = socket;
    this.#topics = topics.map(mqttString);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#answerBytes += chunk.length;
      this.#changed();
    });
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the broker closed the connection of the publisher')));
  }

  static async connect(target: Target, topics: readonly string[]): Promise<Publisher> {
    const { hostname, port } = new URL(target.url);
    const socket = connect(port === '' ? 1883 : Number(port), hostname.replace(/^\[(.*)\]$/, '$1'));
    await once(socket, 'connect');
    socket.write(connectPacket(target));
    const [connack] = (await once(socket, 'data')) as [Buffer];
    if (connack[0] !== 0x20 || connack[3] !== 0) {
      throw new Error(`the broker refused the publisher (CONNACK ${connack[3]})`);
    }
    const publisher = new Publisher(socket, topics);
    publisher.#answerBytes = connack.length - CONNACK_BYTES;
    return publisher;
  }

  get unacknowledged(): number {
    return this.#sent - this.#answerBytes / PUBACK_BYTES;
  }

  /** Messages for `topics[index]`, in one write. */
  send(messages: readonly Message[]): void {
    this.write(this.prepare(messages));
  }

  /** Packets to be written later, in the order of their preparation. */
  prepare(messages: readonly Message[]): Packets {
    const packets = messages.map(({ sensor, payload }) => {
      const id = (this.#prepared++ % MAX_PACKET_ID) + 1;
      return publishPacket(this.#topics[sensor]!, id, payload);
    });
    return { bytes: Buffer.concat(packets), count: packets.length };
  }

  write({ bytes, count }: Packets): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#sent += count;
    if (count > 0) this.#socket.write(bytes);
  }

  /** Resolves once no more than `count` messages lack their PUBACK. */
  async untilUnacknowledged(count: number): Promise<void> {
    while (this.unacknowledged > count) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.end(Buffer.from([0xe0, 0]));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#changed();
  }
}

/** CONNECT (MQTT 3.1.1, 3.1) with a clean session, no keep alive and no client id of our own. */
function connectPacket({ username, password }: Target): Buffer {
  const flags = 0x02 | (username === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  const body = Buffer.concat([
    mqttString('MQTT'),
    Buffer.from([4, flags, 0, 0]),
    mqttString(''),
    ...[username, password].flatMap((text) => (text === undefined ? [] : [mqttString(text)])),
  ]);
  return Buffer.concat([Buffer.from([0x10]), remainingLength(body.length), body]);
}

/** PUBLISH (3.3) at QoS 1. */
export function publishPacket(topic: Buffer, packetId: number, payload: string): Buffer {
  const head = remainingLength(topic.length + 2 + Buffer.byteLength(payload));
  const id = Buffer.from([packetId >> 8, packetId & 0xff]);
  return Buffer.concat([Buffer.from([0x32]), head, topic, id, Buffer.from(payload)]);
}

export function mqttString(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** Seven bits a byte, the lowest first (2.2.3). */
export function remainingLength(length: number): Buffer {
  const bytes = [];
  let rest = length;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
}
