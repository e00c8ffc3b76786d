import { EventEmitter, once } from 'node:events';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import type { MqttSourceOptions } from '../../src/adapters/mqtt/options.ts';
import { type MqttSource, createMqttSource } from '../../src/adapters/mqtt/source.ts';
import { createSystemClock } from '../../src/adapters/system/clock.ts';
import type { Connectivity, InboundMessage } from '../../src/ports/messages.ts';
import { RecordingMetrics } from './fakes.ts';
import type { Mosquitto } from './mosquitto.ts';
import { QuietLogger } from './quiet-logger.ts';
import type { TcpProxy } from './tcp-proxy.ts';

/** Options with quick timing, for tests against a broker on loopback. */
export function mqttOptions(url: string, over: Partial<MqttSourceOptions> = {}): MqttSourceOptions {
  return {
    urls: [url],
    clientId: 'station',
    protocolVersion: 5,
    keepaliveS: 30,
    connectTimeoutMs: 3000,
    sessionExpiryS: 3600,
    receiveMaximum: 1000,
    filters: ['t/#'],
    maxSubscribeFilters: 100,
    reconnect: { baseMs: 20, capMs: 200 },
    ...over,
  };
}

/** A source with everything it handed over, and promises for what is still to come. */
export class SourceProbe {
  readonly source: MqttSource;
  readonly logger = new QuietLogger();
  readonly metrics = new RecordingMetrics();
  readonly messages: InboundMessage[] = [];
  readonly connectivity: Connectivity[] = [];
  /** With each message. */
  onMessage: (message: InboundMessage) => void = () => undefined;
  readonly #events = new EventEmitter();

  constructor(options: MqttSourceOptions) {
    this.source = createMqttSource(options, {
      logger: this.logger,
      metrics: this.metrics,
      clock: createSystemClock(),
      random: Math.random,
    });
  }

  async start(): Promise<this> {
    await this.source.start({
      onMessage: (message) => {
        this.messages.push(message);
        this.onMessage(message);
        this.#events.emit('change');
      },
      onConnectivity: (connectivity) => {
        this.connectivity.push(connectivity);
        this.#events.emit('change');
      },
    });
    return this;
  }

  /** Waits for a condition; it is looked at whenever a message or a connectivity event arrives. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.#events, 'change');
  }

  async connected(times = 1): Promise<void> {
    await this.until(() => this.states('connected').length >= times);
  }

  /** Payloads as text, in arrival order. */
  get texts(): string[] {
    return this.messages.map((message) => Buffer.from(message.payload).toString());
  }

  states<S extends Connectivity['state']>(state: S): Extract<Connectivity, { state: S }>[] {
    return this.connectivity.filter(
      (item): item is Extract<Connectivity, { state: S }> => item.state === state,
    );
  }
}

/** A source behind a proxy, connected and subscribed. */
export async function startProbe(
  broker: Mosquitto,
  proxy: TcpProxy,
  over: Partial<MqttSourceOptions> = {},
): Promise<SourceProbe> {
  const probe = await new SourceProbe(mqttOptions(`mqtt://127.0.0.1:${proxy.port}`, over)).start();
  await probe.connected();
  await broker.logged(/SUBACK to station/);
  return probe;
}

/** A plain client for the other side: publishes, and looks at what the broker holds. */
export async function plainClient(url: string, options: IClientOptions = {}): Promise<MqttClient> {
  return mqtt.connectAsync(url, { reconnectPeriod: 0, protocolVersion: 5, ...options }, false);
}

/** Publishes numbered QoS 1 messages and resolves when the broker has all of them. */
export async function publishNumbers(
  client: MqttClient,
  topic: string,
  from: number,
  to: number,
): Promise<void> {
  const answers: Promise<unknown>[] = [];
  for (let n = from; n <= to; n++) answers.push(client.publishAsync(topic, String(n), { qos: 1 }));
  await Promise.all(answers);
}
