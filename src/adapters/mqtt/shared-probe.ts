import { randomBytes } from 'node:crypto';
import mqtt, { type MqttClient } from 'mqtt';
import type { Clock } from '../../ports.ts';
import { buildConnectOptions } from './connect-options.ts';
import type { MqttSourceOptions } from './options.ts';
import { deadline } from './wait.ts';

const ECHO_MS = 2000;

/**
 * Whether a broker has shared subscriptions at MQTT 3.1.1, which does not define them: a broker without them takes
 * `$share/…` for a topic like any other and never delivers anything. Publishes to a topic of its own and waits for the
 * copy that a shared subscription brings. Undefined when it cannot be found out: no connection, or the user may not
 * publish there. Opens a connection of its own, with a clean session; never rejects.
 */
export async function probeSharedSubscriptions(
  options: MqttSourceOptions,
  url: string,
  clock: Clock,
): Promise<boolean | undefined> {
  const id = randomBytes(4).toString('hex');
  const clientId = `${options.clientId.slice(0, 40)}-shared-${id}`;
  const own = { ...options, clientId, sessionExpiryS: 0, statusTopic: undefined };
  let client: MqttClient | undefined;
  try {
    client = mqtt.connect({ ...(await buildConnectOptions(own, url)), clean: true });
    client.on('error', () => {});
    const topic = `fieldwatch/${id}/probe`;
    await deadline(connected(client), options.connectTimeoutMs, clock);
    if (await echoes(client, `$share/${id}/${topic}`, topic, clock)) return true;
    // Without an echo on a plain subscription either, the user may not publish or read there: nothing is known.
    return (await echoes(client, topic, topic, clock)) ? false : undefined;
  } catch {
    return undefined;
  } finally {
    client?.end(true);
  }
}

function connected(client: MqttClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('close', () => reject(new Error('closed')));
  });
}

async function echoes(client: MqttClient, filter: string, topic: string, clock: Clock): Promise<boolean> {
  const echo = new Promise<void>((resolve) => {
    client.on('message', (received) => {
      if (received === topic) resolve();
    });
  });
  try {
    await deadline(client.subscribeAsync(filter, { qos: 0 }), ECHO_MS, clock);
    client.publish(topic, 'probe', { qos: 0 });
    await deadline(echo, ECHO_MS, clock);
    return true;
  } catch {
    return false;
  }
}
