import { randomBytes } from 'node:crypto';
import mqtt, { type MqttClient } from 'mqtt';
import { sleep } from '../../lib/sleep.ts';
import { deadline } from '../../lib/timeout.ts';
import type { Clock } from '../../ports/time.ts';
import { buildConnectOptions } from './connect-options.ts';
import type { MqttSourceOptions } from './options.ts';

const ECHO_MS = 2000;
/** Copies of one publish leave the broker together; the second one does not take longer than this after the first. */
const COPY_MS = 500;

/**
 * Some behaviour of a broker can only be found out by trying. Each trial publishes to a topic of its own, on a
 * connection of its own with a clean session, and never rejects: undefined when it cannot be determined (no connection,
 * or the user may not publish or read there).
 */
async function onTrial<T>(
  options: MqttSourceOptions,
  url: string,
  clock: Clock,
  run: (client: MqttClient, id: string) => Promise<T>,
): Promise<T | undefined> {
  const id = randomBytes(4).toString('hex');
  const clientId = `${options.clientId.slice(0, 40)}-trial-${id}`;
  const own = { ...options, clientId, sessionExpiryS: 0, statusTopic: undefined };
  let client: MqttClient | undefined;
  try {
    client = mqtt.connect({ ...(await buildConnectOptions(own, url)), clean: true });
    client.on('error', () => {});
    await deadline(connected(client), options.connectTimeoutMs, clock);
    return await run(client, id);
  } catch {
    return undefined;
  } finally {
    client?.end(true);
  }
}

/**
 * Whether a broker has shared subscriptions at MQTT 3.1.1, which does not define them: a broker without them takes
 * `$share/…` for a topic like any other and never delivers anything.
 */
export function trySharedSubscriptions(
  options: MqttSourceOptions,
  url: string,
  clock: Clock,
): Promise<boolean | undefined> {
  return onTrial(options, url, clock, async (client, id) => {
    const topic = `fieldwatch/${id}/trial`;
    if ((await copies(client, [`$share/${id}/${topic}`], topic, clock)) > 0) return true;
    // Without an echo on a plain subscription either, the user may not publish or read there: the result is unknown.
    return (await copies(client, [topic], topic, clock)) > 0 ? false : undefined;
  });
}

/** Whether a broker sends a message once for each of the filters that match its topic. */
export function tryOverlappingSubscriptions(
  options: MqttSourceOptions,
  url: string,
  clock: Clock,
): Promise<boolean | undefined> {
  return onTrial(options, url, clock, async (client, id) => {
    const filters = [`fieldwatch/${id}/+`, `fieldwatch/+/trial-${id}`];
    const count = await copies(client, filters, `fieldwatch/${id}/trial-${id}`, clock);
    return count === 0 ? undefined : count > 1;
  });
}

function connected(client: MqttClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('close', () => reject(new Error('closed')));
  });
}

/** How many copies of one publish come back. */
async function copies(
  client: MqttClient,
  filters: readonly string[],
  topic: string,
  clock: Clock,
): Promise<number> {
  let count = 0;
  const first = new Promise<void>((resolve) => {
    client.on('message', (received) => {
      if (received !== topic) return;
      count++;
      resolve();
    });
  });
  try {
    for (const filter of filters) await deadline(client.subscribeAsync(filter, { qos: 0 }), ECHO_MS, clock);
    client.publish(topic, 'trial', { qos: 0 });
    await deadline(first, ECHO_MS, clock);
    if (filters.length > 1) await sleep(clock, COPY_MS);
  } catch {
    // A time-out is a result: nothing came.
  }
  return count;
}
