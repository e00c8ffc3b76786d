import { randomBytes } from 'node:crypto';
import mqtt, { type MqttClient } from 'mqtt';
import { FieldwatchError } from '../../core/errors.ts';
import { deadline, unlessAborted } from '../../lib/timeout.ts';
import { createSystemClock } from '../system/clock.ts';
import { buildConnectOptions } from './connect-options.ts';
import { brokerUnreachable, reasonName } from './failure.ts';
import type { MqttSourceOptions } from './options.ts';

export interface PublishOptions {
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** A session must be subscribed to it. Default false. */
  readonly subscribed?: boolean;
}

const ACK_TIMEOUT_MS = 10_000;
/** MQTT 5, 3.4.2.1: the broker accepted the message and no session was subscribed. */
const NO_SUBSCRIBERS = 0x10;

/** A connection that only publishes, with a client id of its own, while a daemon runs: for commands. */
export interface Publisher {
  /**
   * Resolves when the broker has accepted it (at QoS 0, when it is sent). Rejects with BROKER_UNREACHABLE where the connection
   * ends or the broker is silent first, PUBLISH_REFUSED where it refuses, and with `subscribed` PUBLISH_NO_SUBSCRIBER where the broker
   * reports that no subscription matches the topic (possible with MQTT 5).
   */
  publish(topic: string, payload: string | Buffer, options: PublishOptions): Promise<void>;
  end(): Promise<void>;
}

export async function openPublisher(
  options: MqttSourceOptions,
  url: string,
  ackTimeoutMs = ACK_TIMEOUT_MS,
): Promise<Publisher> {
  const clientId = `${options.clientId.slice(0, 40)}-cli-${randomBytes(4).toString('hex')}`;
  const own = { ...options, clientId, sessionExpiryS: 0, statusTopic: undefined };
  const client = await mqtt.connectAsync(
    url,
    { ...(await buildConnectOptions(own, url)), clean: true },
    false,
  );
  let code = 0;
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'puback') code = packet.reasonCode ?? 0;
  });
  // Each publish has its own listener; without one here an error between two of them would end the process.
  client.on('error', () => undefined);
  const publish: Publisher['publish'] = async (topic, payload, { subscribed = false, ...how }) => {
    code = 0;
    await settled(client.publishAsync(topic, payload, how), { client, url, topic, ackTimeoutMs });
    if (subscribed && code === NO_SUBSCRIBERS) throw noSubscriber(topic);
  };
  return { publish, end: () => client.endAsync(true) };
}

interface Publishing {
  readonly client: MqttClient;
  readonly url: string;
  readonly topic: string;
  readonly ackTimeoutMs: number;
}

/** MQTT.js leaves a publish unsettled when the connection ends, and waits for an acknowledgement for ever. */
async function settled(
  published: Promise<unknown>,
  { client, url, topic, ackTimeoutMs }: Publishing,
): Promise<void> {
  const closed = new AbortController();
  const close = () => closed.abort();
  client.once('close', close);
  if (!client.connected) close();
  const lost = () => gone(url, 'the connection ended before the broker had acknowledged');
  const late = () => gone(url, `no acknowledgement within ${ackTimeoutMs / 1000} s`);
  try {
    await deadline(unlessAborted(published, closed.signal, lost), ackTimeoutMs, createSystemClock(), late);
  } catch (error) {
    throw error instanceof FieldwatchError ? error : refused(topic, error as Error & { code?: unknown });
  } finally {
    client.off('close', close);
  }
}

const gone = (url: string, what: string) =>
  brokerUnreachable(`cannot publish to ${new URL(url).host}: ${what}`, {
    remedy: 'See the log of the broker: brokers end a connection that publishes more than they accept.',
  });

const refused = (topic: string, error: Error & { code?: unknown }) =>
  new FieldwatchError(
    `the broker refuses a message to ${JSON.stringify(topic)}: ${typeof error.code === 'number' ? reasonName(error.code) : error.message}`,
    {
      code: 'PUBLISH_REFUSED',
      kind: 'config',
      cause: error,
      remedy: 'Give the user of mqtt.username the right to publish to this topic.',
    },
  );

const noSubscriber = (topic: string) =>
  new FieldwatchError(`no session at the broker is subscribed to ${JSON.stringify(topic)}`, {
    code: 'PUBLISH_NO_SUBSCRIBER',
    kind: 'config',
    remedy: 'Start the daemon with a route for this topic first.',
  });

export async function publishOnce(
  options: MqttSourceOptions,
  url: string,
  topic: string,
  payload: string,
  publish: PublishOptions,
): Promise<void> {
  const publisher = await openPublisher(options, url);
  try {
    await publisher.publish(topic, payload, publish);
  } finally {
    await publisher.end();
  }
}
