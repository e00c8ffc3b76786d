import { connect } from 'mqtt';
import { createSystemClock } from '../../adapters/system/clock.ts';
import { buildConnectOptions } from '../../adapters/mqtt/connect-options.ts';
import type { MqttSourceOptions } from '../../adapters/mqtt/options.ts';
import { deadline, endsWithin } from '../../lib/timeout.ts';
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
    const clock = createSystemClock();
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    const topics = [...(statusTopic === null ? [] : [statusTopic]), VERSION, DROPPED];
    const subscribed = new Promise<boolean>((resolve) => {
      void closed.then(() => resolve(false));
      client.once('connect', () =>
        client.subscribe(topics, { qos: 0 }, (error) => resolve(error === null || error === undefined)),
      );
    });
    const isQuiet = subscribed.then(async (is) => is && !(await endsWithin(closed, QUIET_MS, clock)));
    return (await deadline(isQuiet, LIMIT_MS, clock)) ? topicsOf(seen, statusTopic) : undefined;
  } catch {
    return undefined;
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
