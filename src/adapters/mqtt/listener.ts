import { randomBytes } from 'node:crypto';
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import type { Millis } from '../../core/reading.ts';
import { deadline } from '../../lib/timeout.ts';
import type { Clock } from '../../ports/time.ts';
import { answerOf } from './connack.ts';
import { buildConnectOptions } from './connect-options.ts';
import { type Failure, brokerUnreachable, failure } from './failure.ts';
import type { MqttSourceOptions } from './options.ts';

/** One message as a listener receives it. */
export interface ReceivedMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly receivedAtMs: Millis;
  readonly contentType: string | undefined;
}

export interface ListenerEvents {
  /** The next message waits until this resolves: a slow disk slows the broker and fills no memory. */
  onMessage(message: ReceivedMessage): void | Promise<void>;
  /** The connection is gone; it is retried every second. Messages published meanwhile are missed. */
  onLost(): void;
  onBack(): void;
}

export interface Listener {
  readonly protocolVersion: 4 | 5;
  /** No further message; idempotent. */
  stop(): Promise<void>;
}

const RETRY_MS = 1000;
const STOP_MS = 2000;

/**
 * Receives what is published, as any other client would: with a client id of its own, a clean session that leaves nothing
 * at the broker, and acknowledgements that hold nothing back. MQTT 3.1.1 where the broker refuses 5.0.
 * Rejects with BROKER_UNREACHABLE or SUBSCRIPTION_REFUSED.
 */
export async function listen(
  options: MqttSourceOptions,
  { url, filters }: { readonly url: string; readonly filters: readonly string[] },
  events: ListenerEvents,
  clock: Clock,
): Promise<Listener> {
  let protocolVersion = options.protocolVersion;
  let connected = await connect(options, url, protocolVersion, clock);
  if ('kind' in connected && connected.kind === 'protocol_version' && protocolVersion === 5) {
    protocolVersion = 4;
    connected = await connect(options, url, protocolVersion, clock);
  }
  if ('kind' in connected) throw unreachable(url, connected);
  const client = connected;
  const stop = async (): Promise<void> => {
    // After a stop nothing more is delivered, not even what is on its way.
    client.handleMessage = (_packet, done) => done();
    client.end();
    await deadline(closed(client), STOP_MS, clock).catch(() => client.end(true));
  };
  deliver(client, events, clock);
  try {
    await subscribe(client, filters);
  } catch (error) {
    await stop();
    throw error;
  }
  return { protocolVersion, stop };
}

async function connect(
  options: MqttSourceOptions,
  url: string,
  protocolVersion: 4 | 5,
  clock: Clock,
): Promise<MqttClient | Failure> {
  const clientId = `${options.clientId.slice(0, 40)}-listen-${randomBytes(4).toString('hex')}`;
  const own = { ...options, protocolVersion, clientId, sessionExpiryS: 0, statusTopic: undefined };
  let built: IClientOptions;
  try {
    built = await buildConnectOptions(own, url);
  } catch (error) {
    return failure('setup', messageOf(error));
  }
  const client = mqtt.connect({ ...built, clean: true, reconnectPeriod: RETRY_MS, resubscribe: true });
  // MQTT.js connects again by itself; without a listener its errors would end the process.
  client.on('error', () => {});
  const answer = await deadline(
    answerOf(client, protocolVersion === 5),
    options.connectTimeoutMs,
    clock,
  ).catch(() => ({
    connack: undefined,
    failure: failure('timeout', `no answer in ${options.connectTimeoutMs} ms`),
  }));
  if (answer.failure === undefined) return client;
  client.end(true);
  return answer.failure;
}

/** MQTT.js waits for this message: the next one comes when this one is processed. */
function deliver(client: MqttClient, events: ListenerEvents, clock: Clock): void {
  client.handleMessage = (packet: IPublishPacket, done) => {
    const handled = events.onMessage({
      topic: packet.topic,
      payload: packet.payload as Buffer,
      retain: packet.retain,
      receivedAtMs: clock.nowMs(),
      contentType: packet.properties?.contentType,
    });
    if (handled === undefined) done();
    else void handled.then(() => done(), done);
  };
  let lost = false;
  client.on('close', () => {
    if (lost || client.disconnecting) return;
    lost = true;
    events.onLost();
  });
  client.on('connect', () => {
    if (lost) events.onBack();
    lost = false;
  });
}

function subscribe(client: MqttClient, filters: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    client.subscribe([...filters], { qos: 1 }, (error, _grants, packet) => {
      const codes = (packet?.granted as number[] | undefined) ?? [];
      const refused = filters.filter((_, index) => (codes[index] ?? 0) >= 128);
      if ((error === null || error === undefined) && refused.length === 0) return resolve();
      const which = refused.length === 0 ? messageOf(error) : `it refused ${refused.join(', ')}`;
      reject(
        new FieldwatchError(`the broker does not allow the subscription: ${which}`, {
          code: 'SUBSCRIPTION_REFUSED',
          kind: 'auth',
          remedy: 'name a narrower --filter, or allow this user to read the topics',
        }),
      );
    });
  });
}

function closed(client: MqttClient): Promise<void> {
  return new Promise((resolve) => client.once('close', () => resolve()));
}

const unreachable = (url: string, { reason, remedy }: Failure): FieldwatchError =>
  brokerUnreachable(`no connection to ${url}: ${reason}`, { remedy });
