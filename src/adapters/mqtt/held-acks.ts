import { type IPublishPacket, MqttClient } from 'mqtt';
import { FieldwatchError } from '../../core/errors.ts';

/**
 * The only file that touches private members of MQTT.js. MQTT.js acknowledges a QoS 1 message as soon as
 * `handleMessage` calls back, and handles nothing else, PINGRESP included, until it does. So holding the callback until
 * COMMIT would hand over one message and then lose the connection to a keepalive timeout. Instead the outgoing PUBACK is
 * caught at `_sendPacket` and swallowed; the source writes the PUBACKs itself when rows are safe.
 */

type Done = (error?: Error) => void;

/**
 * This many messages are delivered per event loop iteration. A socket that always has more to read would
 * otherwise be read for megabytes at a time, and each round trip of a commit would wait behind thousands of messages.
 */
const MESSAGES_PER_TURN = 256;
/** The same for payload bytes: reading one large message takes as long as a thousand small ones. */
const BYTES_PER_TURN = 64 * 1024;

interface MqttInternals {
  _sendPacket(packet: { readonly cmd: string }, done?: Done, stored?: () => void, noStore?: boolean): void;
}

/** The version whose private members the contract tests cover. package.json pins the same one. */
export const TESTED_MQTTJS_VERSION = '5.16.0';

const NEEDED = ['_sendPacket', 'handleMessage', 'onKeepaliveTimeout', 'sendPing', 'reschedulePing'] as const;

/** Refuses to start on an MQTT.js whose insides were not tested: a changed one could acknowledge too early. */
export function assertMqttInternals(
  version: unknown = MqttClient.VERSION,
  prototype: object = MqttClient.prototype,
): void {
  const missing = NEEDED.filter((name) => typeof Reflect.get(prototype, name) !== 'function');
  if (version === TESTED_MQTTJS_VERSION && missing.length === 0) return;
  const found = missing.length > 0 ? `without ${missing.join(', ')}` : `version ${String(version)}`;
  throw new FieldwatchError(
    `mqtt: found the package "mqtt" ${found}, expected ${TESTED_MQTTJS_VERSION}; held acknowledgements are not safe`,
    {
      code: 'MQTT_CLIENT_UNTESTED',
      kind: 'config',
      remedy: `Install exactly mqtt@${TESTED_MQTTJS_VERSION} (npm ci does).`,
    },
  );
}

/** `open` hands over; `paused` reads no further; `discarding` reads on, for PINGRESP and PUBACK, and hands nothing over. */
export type GateMode = 'open' | 'paused' | 'discarding';

/** Stands between one MQTT.js client and the source: swallows PUBACKs, and can stop the flow without losing pings. */
export class InboundGate {
  readonly #client: MqttClient;
  readonly #deliver: (packet: IPublishPacket) => void;
  readonly #onPing: (() => void) | undefined;
  #mode: GateMode;
  /** The message at which a paused gate stopped: not handed over yet. */
  #stopped: { readonly packet: IPublishPacket; readonly done: Done } | undefined;
  #received = 0;
  #messagesInTurn = 0;
  #bytesInTurn = 0;
  #receivedAtPing = 0;

  /** `onPing`: a PINGREQ is sent, of the keepalive or another one. */
  constructor(
    client: MqttClient,
    mode: GateMode,
    deliver: (packet: IPublishPacket) => void,
    onPing?: () => void,
  ) {
    this.#client = client;
    this.#mode = mode;
    this.#deliver = deliver;
    this.#onPing = onPing;
    this.#swallowPubacks();
    this.#takeMessages();
    this.#guardKeepalive();
  }

  setMode(mode: GateMode): void {
    const wasPaused = this.#mode === 'paused';
    this.#mode = mode;
    if (mode === 'paused' || !wasPaused) return;
    // The PINGRESPs of the pause are still in the socket, behind the messages: give them a full period to come up.
    this.#client.reschedulePing(true);
    const stopped = this.#stopped;
    this.#stopped = undefined;
    if (stopped !== undefined) this.#handle(stopped.packet, stopped.done);
  }

  /** Another PINGREQ, besides those of the keepalive. */
  ping(): void {
    (this.#client as unknown as MqttInternals)._sendPacket({ cmd: 'pingreq' });
  }

  #swallowPubacks(): void {
    const client = this.#client as unknown as MqttInternals;
    const send = client._sendPacket.bind(client);
    client._sendPacket = (packet, done, stored, noStore) => {
      if (packet.cmd === 'puback') return done?.();
      if (packet.cmd === 'pingreq') this.#onPing?.();
      send(packet, done, stored, noStore);
    };
  }

  #takeMessages(): void {
    this.#client.handleMessage = (packet, done) => {
      this.#received++;
      if (this.#mode === 'open') {
        this.#deliver(packet);
        // `deliver` may have paused us; this message is already handed over, so the next one is where we stop.
        if (this.#flushTurn(packet)) setImmediate(done);
        else done();
      } else {
        this.#handle(packet, done);
      }
    };
  }

  #flushTurn({ payload }: IPublishPacket): boolean {
    this.#messagesInTurn++;
    this.#bytesInTurn += payload.length;
    if (this.#messagesInTurn < MESSAGES_PER_TURN && this.#bytesInTurn < BYTES_PER_TURN) return false;
    this.#messagesInTurn = 0;
    this.#bytesInTurn = 0;
    return true;
  }

  #handle(packet: IPublishPacket, done: Done): void {
    if (this.#mode === 'paused') {
      this.#stopped = { packet, done };
      return;
    }
    if (this.#mode === 'open') this.#deliver(packet);
    done();
  }

  /**
   * MQTT.js gives up half a period after a PINGREQ without PINGRESP. Under load the PINGRESP waits behind a backlog of
   * messages, and while paused it is not read: neither is a dead link. While paused a dead link still shows, because
   * our own PINGREQ cannot be written.
   */
  #guardKeepalive(): void {
    const client = this.#client;
    const ping = client.sendPing.bind(client);
    const giveUp = client.onKeepaliveTimeout.bind(client);
    client.sendPing = () => {
      this.#receivedAtPing = this.#received;
      ping();
    };
    client.onKeepaliveTimeout = () => {
      if (this.#mode !== 'paused' && this.#received === this.#receivedAtPing) {
        giveUp();
        return;
      }
      // Ping at once: the next regular one is a whole period away, and the broker waits only one and a half.
      client.sendPing();
      client.reschedulePing(true);
    };
  }
}
