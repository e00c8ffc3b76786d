import { randomBytes } from 'node:crypto';
import mqtt from 'mqtt';
import { buildConnectOptions } from './connect-options.ts';
import type { MqttSourceOptions } from './options.ts';

export interface PublishOptions {
  readonly qos: 0 | 1;
  readonly retain: boolean;
}

/** A connection that only publishes, with a client id of its own, beside a daemon that runs: for commands. */
export interface Publisher {
  publish(topic: string, payload: string | Buffer, options: PublishOptions): Promise<void>;
  end(): Promise<void>;
}

export async function openPublisher(options: MqttSourceOptions, url: string): Promise<Publisher> {
  const clientId = `${options.clientId.slice(0, 40)}-cli-${randomBytes(4).toString('hex')}`;
  const own = { ...options, clientId, sessionExpiryS: 0, statusTopic: undefined };
  const client = await mqtt.connectAsync(
    url,
    { ...(await buildConnectOptions(own, url)), clean: true },
    false,
  );
  return {
    publish: async (topic, payload, how) => void (await client.publishAsync(topic, payload, how)),
    end: () => client.endAsync(true),
  };
}

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
