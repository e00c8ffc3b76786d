import mqtt, { type IClientOptions } from 'mqtt';
import type { BenchBroker } from './broker.ts';
import { Publisher } from './publisher.ts';
import { chunked, messagesOf, topicsOf } from './workload.ts';

const CHUNK = 500;
/** Enough to keep the broker busy, little enough that no broker objects. */
const MAX_UNACKNOWLEDGED = 2000;
const EXPIRY_S = 3600;

/** Makes a persistent session that the broker queues for, as an earlier run of the daemon would have left it. */
export async function createSession(broker: BenchBroker, clientId: string): Promise<void> {
  const client = await mqtt.connectAsync(broker.url, {
    ...base(broker, clientId),
    clean: false,
    properties: { sessionExpiryInterval: EXPIRY_S },
  });
  await client.subscribeAsync(filterOf(broker), { qos: 1 });
  await client.endAsync();
}

/** Takes the session away, with what is queued, and the retained status that a daemon left. */
export async function removeSession(broker: BenchBroker, clientId: string): Promise<void> {
  const client = await mqtt.connectAsync(broker.url, { ...base(broker, clientId), clean: true });
  await client.publishAsync(statusTopicOf(clientId), '', { qos: 1, retain: true });
  await client.endAsync();
}

/** Publishes `count` messages at QoS 1; resolves when the broker has acknowledged them all. */
export async function queueMessages(
  broker: BenchBroker,
  count: number,
  startMs: number,
  random: () => number,
  intervalMs?: number,
  sensors?: number,
): Promise<void> {
  const publisher = await Publisher.connect(broker, topicsOf(broker.topicRoot, sensors));
  try {
    for (const chunk of chunked(messagesOf(count, startMs, random, intervalMs, sensors), CHUNK)) {
      publisher.send(chunk);
      await publisher.untilUnacknowledged(MAX_UNACKNOWLEDGED);
    }
    await publisher.untilUnacknowledged(0);
  } finally {
    publisher.close();
  }
}

export const filterOf = ({ topicRoot }: BenchBroker) => `${topicRoot}sensors/+/+/readings`;
export const statusTopicOf = (clientId: string) => `fieldwatch/${clientId}/status`;

function base({ username, password }: BenchBroker, clientId: string): IClientOptions {
  return {
    protocolVersion: 5,
    clientId,
    reconnectPeriod: 0,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}
