import { randomBytes } from 'node:crypto';
import mqtt from 'mqtt';
import { buildConnectOptions } from './connect-options.ts';
import type { MqttSourceOptions } from './options.ts';

/** Publishes with a connection and a client id of its own, beside a daemon that runs: for commands. */
export async function publishOnce(
  options: MqttSourceOptions,
  url: string,
  topic: string,
  payload: string,
  publish: { readonly qos: 0 | 1; readonly retain: boolean },
): Promise<void> {
  const clientId = `${options.clientId.slice(0, 40)}-cli-${randomBytes(4).toString('hex')}`;
  const own = { ...options, clientId, sessionExpiryS: 0, statusTopic: undefined };
  const client = await mqtt.connectAsync(
    url,
    { ...(await buildConnectOptions(own, url)), clean: true },
    false,
  );
  try {
    await client.publishAsync(topic, payload, publish);
  } finally {
    await client.endAsync(true);
  }
}
