import { setMaxListeners } from 'node:events';
import mqtt, { type MqttClient } from 'mqtt';
import { pause } from '../test/support/eventually.ts';
import { type Message, SENSORS, intervalMs, messageOf, payloadOf, topicOf } from './workload.ts';

const CLIENTS = 4;
const RETRY_MS = 100;

/** When a message was handed to the client, and when the broker took it; by id. */
export interface Sent {
  readonly message: Message;
  readonly sentMs: number;
  readonly acknowledgedMs: number;
}

/**
 * Several clients that publish at QoS 1 and persist until the PUBACK: through restarts of the broker, too. One message
 * of a sensor at a time, so that what a sensor sends stays in order whatever is sent again.
 */
export class Publishers {
  readonly sent: Sent[][] = Array.from({ length: SENSORS }, () => []);
  private readonly url: string;
  private readonly run: { readonly baseMs: number; readonly rate: number };
  private readonly clients: MqttClient[] = [];
  private readonly stopping = new AbortController();
  private workers: Promise<unknown> = Promise.resolve();

  constructor(url: string, run: { baseMs: number; rate: number }) {
    this.url = url;
    this.run = run;
    // One waits for each sensor.
    setMaxListeners(0, this.stopping.signal);
  }

  get count(): number {
    return this.sent.reduce((sum, list) => sum + list.length, 0);
  }

  async start(): Promise<void> {
    for (let n = 0; n < CLIENTS; n++) {
      const client = await mqtt.connectAsync(this.url, {
        protocolVersion: 5,
        clientId: `chaos-publisher-${n}`,
        clean: true,
        reconnectPeriod: RETRY_MS,
        connectTimeout: 5000,
      });
      // A broker that goes away is what this is about.
      client.on('error', () => undefined);
      this.clients.push(client);
    }
    this.workers = Promise.all(Array.from({ length: SENSORS }, (_, sensor) => this.work(sensor)));
  }

  /** No new messages; true once the broker has taken those that were begun, false after `withinMs`. */
  async finish(withinMs: number): Promise<boolean> {
    this.stopping.abort();
    const late = new AbortController();
    return Promise.race([
      this.workers.then(() => true),
      pause(withinMs, late.signal).then(() => false),
    ]).finally(() => late.abort());
  }

  async close(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.clients.map((client) => client.endAsync(true)));
  }

  private async work(sensor: number): Promise<void> {
    const client = this.clients[sensor % CLIENTS];
    const list = this.sent[sensor];
    if (client === undefined || list === undefined) return;
    const { signal } = this.stopping;
    for (let index = 0; ; index++) {
      const message = messageOf(sensor, index, this.run);
      // No readings of the future: late ones catch up as fast as the broker takes them.
      const aheadMs = message.timeMs + intervalMs(this.run.rate) - Date.now();
      if (aheadMs > 0) await pause(aheadMs, signal);
      if (signal.aborted) return;
      const sentMs = Date.now();
      if (!(await this.publish(client, message))) return;
      list.push({ message, sentMs, acknowledgedMs: Date.now() });
    }
  }

  /** False: given up, because the run is over and the client is closed. */
  private async publish(client: MqttClient, message: Message): Promise<boolean> {
    while (!client.disconnecting) {
      try {
        await client.publishAsync(topicOf(message.sensor), payloadOf(message), { qos: 1 });
        return true;
      } catch {
        await pause(RETRY_MS);
      }
    }
    return false;
  }
}
