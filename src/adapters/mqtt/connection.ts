import mqttPacket from 'mqtt-packet';
import { type IClientOptions, type IConnackPacket, MqttClient } from 'mqtt';
import type { Arrivals } from '../../core/ingest/arrival.ts';
import type { Micros, Millis } from '../../core/reading.ts';
import type { InboundMessage } from '../../ports/messages.ts';
import type { Clock } from '../../ports/time.ts';
import { BrokerStream, type GateMode, type PublishFrame } from './broker-stream.ts';
import { stageOf, watchHandshake } from './connack.ts';
import {
  connackFailure,
  disconnectFailure,
  errorFailure,
  type Failure,
  failure,
  noAnswer,
} from './failure.ts';
import { HeldMessages } from './held-messages.ts';
import { Keepalive } from './keepalive.ts';
import type { OverlappingCopies } from './overlapping-copies.ts';
import { ReadThrough, type SeenWindow } from './read-through.ts';
import type { Transport } from './connect-options.ts';

// Otherwise the first packet makes a Buffer of each of the 65,536 packet ids: 8 MB, for ids that are written here anyway.
mqttPacket.writeToStream.cacheNumbers = false;

export interface ConnectionEvents {
  /** CONNACK with success: before the first message, too early to send anything. */
  onOpen(connack: IConnackPacket): void;
  /** Now the connection accepts subscriptions and publishes. */
  onReady(): void;
  onMessage(message: InboundMessage): void;
  /** Exactly once, in every case. */
  onClosed(end: Failure): void;
}

export interface SubscribeSettings {
  readonly retainHandling: 0 | 1 | 2;
  /** MQTT 5: comes back with each message that the packet's filters bring. */
  readonly identifier: number | undefined;
}

export interface PublishSettings {
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** MQTT 5: of the request that this answers. */
  readonly correlation?: Uint8Array | undefined;
}

export interface AckCounts {
  readonly sent: number;
  /** Messages of another connection. */
  readonly stale: number;
  /** Not held here: acknowledged before, or a copy of the message. */
  readonly notHeld: number;
}

/** Settings of one attempt to connect. */
export interface ConnectionSettings {
  readonly options: IClientOptions;
  readonly transport: Transport;
  /** Mode for messages, from the first one on. */
  readonly gate: GateMode;
  /** How far the session is read is followed by it. */
  readonly window?: SeenWindow | undefined;
}

/** One network connection, with an MQTT.js client of its own that is thrown away with it. */
export class MqttConnection {
  readonly epoch: number;
  readonly #client: MqttClient;
  /** Set when the client connects, which is while it is constructed. */
  #stream!: BrokerStream;
  readonly #clock: Clock;
  readonly #arrivals: Arrivals;
  readonly #events: ConnectionEvents;
  readonly #isV5: boolean;
  readonly #held = new HeldMessages();
  /** Packet ids of messages at QoS 2. */
  readonly #qos2 = new Set<number>();
  #secured: () => boolean = () => false;
  readonly #readThrough: ReadThrough | undefined;
  #gate: GateMode;
  #keepalive: Keepalive | undefined;
  #cause: Failure | undefined;
  #open = false;
  /** The broker answered CONNECT with a refusal. */
  #refused = false;
  #closed = false;
  #copies: OverlappingCopies | undefined;

  /** Throws what `tls.connect` throws on unusable key material. */
  constructor(
    epoch: number,
    { options, transport, gate, window }: ConnectionSettings,
    time: { readonly clock: Clock; readonly arrivals: Arrivals },
    events: ConnectionEvents,
  ) {
    this.epoch = epoch;
    this.#clock = time.clock;
    this.#arrivals = time.arrivals;
    this.#events = events;
    this.#isV5 = options.protocolVersion === 5;
    this.#readThrough = window && new ReadThrough(window);
    this.#gate = gate;
    const { keepalive = 0 } = options;
    this.#client = new MqttClient((client) => this.#connect(client, options, transport), options);
    // CONNECT is written, with the keepalive; the pings are sent here.
    this.#client.options.keepalive = 0;
    this.#listen(keepalive);
  }

  get heldCount(): number {
    return this.#held.count;
  }

  /** Everything that the broker kept for the session before then is received and acknowledged. */
  get readThroughMs(): Millis {
    return this.isOpen ? (this.#readThrough?.upToMs ?? -Infinity) : -Infinity;
  }

  /** Asks the broker how far the session is read, unless an answer is outstanding. */
  probe(): void {
    if (this.isOpen && this.#readThrough?.isWaiting === false) this.#ping();
  }

  get isOpen(): boolean {
    return this.#open && !this.#closed;
  }

  /** From now on copies that the broker sends for overlapping filters are marked; undefined: none are. */
  markCopies(copies: OverlappingCopies | undefined): void {
    this.#copies = copies;
  }

  setGate(mode: GateMode): void {
    const wasPaused = this.#gate === 'paused';
    this.#gate = mode;
    this.#stream.setMode(mode);
    if (wasPaused && mode !== 'paused') this.#keepalive?.resumed();
  }

  /** Writes the PUBACKs (PUBRECs at QoS 2) of `messages` to the socket in one piece; see `AckCounts` for those it leaves out. */
  acknowledge(messages: readonly InboundMessage[]): AckCounts {
    const ids: number[] = [];
    let stale = 0;
    let notHeld = 0;
    for (const message of messages) {
      if (message.qos === 0) continue;
      if (message.epoch !== this.epoch || this.#closed) {
        stale++;
        continue;
      }
      const released = this.#held.release(message);
      if (released === undefined) notHeld++;
      else for (let n = 0; n < released; n++) ids.push(message.packetId);
    }
    if (ids.length > 0) {
      this.#stream.write(acknowledgements(ids, this.#qos2));
      this.#readThrough?.acknowledged(ids.length);
    }
    return { sent: ids.length, stale, notHeld };
  }

  /** Requests QoS 1: with QoS 2 the PUBREC would leave before anything is stored. Resolves with the SUBACK's codes. */
  subscribe(
    filters: readonly string[],
    { retainHandling, identifier }: SubscribeSettings,
  ): Promise<readonly number[]> {
    const properties = identifier === undefined ? {} : { properties: { subscriptionIdentifier: identifier } };
    const v5 = this.#isV5 ? { nl: false, rap: false, rh: retainHandling, ...properties } : {};
    return new Promise((resolve, reject) => {
      this.#client.subscribe([...filters], { qos: 1, ...v5 }, (error, _grants, packet) => {
        // A refused filter is an error for MQTT.js and takes the whole packet with it; the codes say which one it was.
        const codes = packet?.granted as number[] | undefined;
        if (codes?.length === filters.length) resolve(codes);
        else reject(error ?? new Error('SUBACK without codes'));
      });
    });
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    await this.#client.unsubscribeAsync([...filters]);
  }

  async publish(topic: string, payload: Uint8Array, { correlation, ...how }: PublishSettings): Promise<void> {
    if (!this.isOpen) throw new Error('not connected');
    const properties =
      correlation === undefined || !this.#isV5
        ? {}
        : { properties: { correlationData: Buffer.from(correlation) } };
    await this.#client.publishAsync(topic, Buffer.from(payload), { ...how, ...properties });
  }

  /** Sends DISCONNECT: the broker keeps the session and does not publish the will. `destroy` bounds it. */
  disconnect(): void {
    if (this.#isV5) this.#client.end(false, { reasonCode: 0 });
    else this.#client.end(false);
  }

  destroy(): void {
    this.#client.end(true);
    this.#stream.destroy();
  }

  #connect(client: MqttClient, options: IClientOptions, transport: Transport): BrokerStream {
    const socket = transport(client, options);
    this.#secured = watchHandshake(socket);
    const settings = {
      protocolVersion: this.#isV5 ? 5 : 4,
      maximumPacketSize: this.#isV5 ? options.properties?.maximumPacketSize : undefined,
    } as const;
    this.#stream = new BrokerStream(socket, settings, this.#gate, {
      onPublish: (frame) => this.#receive(frame),
      onPingresp: () => this.#readThrough?.answered(),
      onMalformed: (problem) => (this.#cause ??= failure('protocol', problem)),
    });
    return this.#stream;
  }

  #ping(): void {
    this.#readThrough?.pinged(this.#clock.monotonicMs(), this.#held.count);
    this.#stream.ping();
  }

  #receive(packet: PublishFrame): void {
    const id = packet.packetId;
    const receivedAtMs = this.#clock.nowMs();
    // The wall clock ticks in milliseconds. Below that, the other clock keeps two daemons of one group apart.
    const belowMs = this.#clock.monotonicMs() % 1;
    const arrivalUs = this.#arrivals.stamp(receivedAtMs * 1000 + Math.floor(belowMs * 1000));
    const firstUs = this.#copies === undefined ? undefined : this.#firstArrival(packet, arrivalUs);
    const message: InboundMessage = {
      topic: packet.topic,
      payload: packet.payload,
      qos: id === 0 ? 0 : 1,
      retain: packet.retain,
      dup: packet.dup,
      receivedAtMs: firstUs === undefined ? receivedAtMs : Math.floor(firstUs / 1000),
      arrivalUs: firstUs ?? arrivalUs,
      contentType: packet.contentType,
      epoch: this.epoch,
      packetId: id,
      isCopy: firstUs !== undefined,
    };
    if (id !== 0) {
      if (packet.qos === 2) this.#qos2.add(id);
      this.#held.add(message);
      this.#readThrough?.received(this.#held.count);
    }
    this.#events.onMessage(message);
  }

  /** When the first copy arrived, of a publish that the broker sends for several filters. */
  #firstArrival(packet: PublishFrame, arrivalUs: Micros): Micros | undefined {
    if (packet.dup) return undefined;
    return this.#copies?.firstArrivalOf({
      topic: packet.topic,
      payload: packet.payload,
      subscriptionIds: packet.subscriptionIds,
      arrivalUs,
      monotonicMs: this.#clock.monotonicMs(),
    });
  }

  /** `keepaliveS`: what CONNECT asked for; the CONNACK may have another one. */
  #keepAlive(keepaliveS: number): void {
    this.#keepalive = new Keepalive({
      clock: this.#clock,
      periodS: keepaliveS,
      ping: () => this.#ping(),
      received: () => this.#stream.received,
      isPaused: () => this.#gate === 'paused',
      onSilent: () => {
        this.#cause ??= failure('keepalive', 'the broker does not answer pings');
        this.#stream.destroy();
      },
    });
  }

  #listen(keepaliveS: number): void {
    const client = this.#client;
    // The first packet is the CONNACK. MQTT.js's own 'connect' comes later, after queued messages may have been handled.
    client.once('packetreceive', (packet) => {
      if (packet.cmd !== 'connack') return;
      const code = (this.#isV5 ? packet.reasonCode : packet.returnCode) ?? 0;
      if (code > 0) {
        this.#refused = true;
        this.#cause ??= connackFailure(code);
        return;
      }
      this.#open = true;
      this.#keepAlive(packet.properties?.serverKeepAlive ?? keepaliveS);
      this.#events.onOpen(packet);
    });
    client.once('connect', () => this.#events.onReady());
    client.on('disconnect', (packet) => {
      this.#cause ??= disconnectFailure(packet.reasonCode ?? 0);
    });
    const fail = (error: Error) => {
      this.#cause ??= errorFailure(error);
      // After a malformed packet the parser is stuck and MQTT.js would wait for ever.
      this.#stream.destroy();
    };
    client.on('error', fail);
    // MQTT.js swallows stream errors without a code, such as a refused WebSocket upgrade.
    this.#stream.on('error', (error: Error) => (this.#cause ??= errorFailure(error)));
    client.once('close', () => {
      this.#closed = true;
      this.#keepalive?.stop();
      const answered = this.#open || this.#refused;
      const end = answered ? this.#cause : noAnswer(this.#cause, stageOf(client, this.#secured()));
      this.#events.onClosed(end ?? failure('broker_closed', 'the broker closed the connection'));
    });
  }
}

const [PUBACK, PUBREC] = [0x40, 0x50];

/**
 * Remaining length 2 and the packet id: in MQTT 5 too, where an absent reason code means success (3.4.2.1). Subscriptions ask for QoS 1;
 * but a session may have others from an earlier program, and then a message at QoS 2 is received with its PUBREC. The
 * PUBREL that follows is answered by MQTT.js.
 */
function acknowledgements(ids: readonly number[], qos2: Set<number>): Buffer {
  const bytes = Buffer.allocUnsafe(ids.length * 4);
  let at = 0;
  for (const id of ids) {
    bytes[at++] = qos2.size > 0 && qos2.delete(id) ? PUBREC : PUBACK;
    bytes[at++] = 0x02;
    bytes[at++] = id >> 8;
    bytes[at++] = id & 0xff;
  }
  return bytes;
}
