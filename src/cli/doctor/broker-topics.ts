import { connect } from 'mqtt';
import { buildConnectOptions } from '../../adapters/mqtt/connect-options.ts';
import type { MqttSourceOptions } from '../../adapters/mqtt/options.ts';
import type { BrokerTopics } from './broker.ts';

const VERSION = '$SYS/broker/version';
/** mosquitto. Other brokers name it differently or not at all. */
const DROPPED = '$SYS/broker/publish/messages/dropped';
const LIMIT_MS = 3_000;
/** Retained messages come right after the SUBACK; a broker that has none sends nothing. */
const QUIET_MS = 500;

/** Reads what the broker retains on the daemon's status and about itself; undefined when it does not let us. */
export async function readTopics(
  options: MqttSourceOptions,
  url: string,
  protocolVersion: 4 | 5,
  statusTopic: string | null,
): Promise<BrokerTopics | undefined> {
  const clientId = `${options.clientId.slice(0, 40)}-doctor-${process.pid}`;
  const own = { ...options, protocolVersion, clientId, sessionExpiryS: 0, statusTopic: undefined };
  const client = connect({ ...(await buildConnectOptions(own, url)), clean: true });
  const seen = new Map<string, string>();
  client.on('error', () => {});
  client.on('message', (topic, payload) => seen.set(topic, payload.toString().slice(0, 200)));
  try {
    return await new Promise((resolve) => {
      setTimeout(() => resolve(undefined), LIMIT_MS).unref();
      client.once('close', () => resolve(undefined));
      client.once('connect', () => {
        client.subscribe(
          [...(statusTopic === null ? [] : [statusTopic]), VERSION, DROPPED],
          { qos: 0 },
          (error) => {
            if (error) resolve(undefined);
            else setTimeout(() => resolve(topicsOf(seen, statusTopic)), QUIET_MS);
          },
        );
      });
    });
  } finally {
    client.end(true);
  }
}

function topicsOf(seen: ReadonlyMap<string, string>, statusTopic: string | null): BrokerTopics {
  const dropped = Number(seen.get(DROPPED) ?? Number.NaN);
  return {
    status: statusTopic === null ? undefined : seen.get(statusTopic),
    version: seen.get(VERSION),
    dropped: Number.isFinite(dropped) ? dropped : undefined,
  };
}
