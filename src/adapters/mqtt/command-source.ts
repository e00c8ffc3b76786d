import { createHash } from 'node:crypto';
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { deadline } from '../../lib/timeout.ts';
import type { CommandConnection, CommandMessage, CommandSource } from '../../ports/commands.ts';
import type { Clock } from '../../ports/time.ts';
import { answerOf } from './connack.ts';
import { buildConnectOptions } from './connect-options.ts';
import { brokerUnreachable, failure, reasonName } from './failure.ts';
import type { MqttSourceOptions } from './options.ts';

/** Commands that the broker may send before the first is acknowledged. */
const WINDOW = 10;
/** Larger messages are discarded by the broker (MQTT 5). */
const MOST_PACKET = 64 * 1024;
/** A command may take longer than a short keepalive allows: pings are read after it. */
const KEEPALIVE_S = 60;
const STOP_MS = 2000;

/**
 * The command topic, over a connection and a persistent session of its own: telemetry that waits for the database holds no command up,
 * and what was not acknowledged when the daemon ended comes again. Answers go by the daemon's main connection, since MQTT.js reads no
 * acknowledgement while a message is processed.
 */
export class MqttCommandSource implements CommandSource {
  readonly name: string;
  readonly #options: MqttSourceOptions;
  readonly #url: string;
  readonly #topic: string;
  readonly #clock: Clock;

  /** `session`: the client id; daemons that share it read the topic one at a time. */
  constructor(
    options: MqttSourceOptions,
    { url, topic, session }: { readonly url: string; readonly topic: string; readonly session: string },
    clock: Clock,
  ) {
    this.name = `commands-${createHash('sha256').update(`${url} ${session}`).digest('hex').slice(0, 16)}`;
    this.#options = {
      ...options,
      clientId: session,
      keepaliveS: Math.max(options.keepaliveS, KEEPALIVE_S),
      receiveMaximum: WINDOW,
      maximumPacketSize: MOST_PACKET,
      statusTopic: undefined,
    };
    this.#url = url;
    this.#topic = topic;
    this.#clock = clock;
  }

  async open(onMessage: (message: CommandMessage) => Promise<void>): Promise<CommandConnection> {
    const client = await this.#connect();
    let end = (_reason: FieldwatchError): void => undefined;
    const closed = new Promise<FieldwatchError>((resolve) => (end = resolve));
    client.on('disconnect', ({ reasonCode = 0 }) => end(this.#unreachable(reasonName(reasonCode))));
    client.once('close', () => end(this.#unreachable('the connection ended')));
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => (closing ??= this.#close(client, closed));
    this.#deliver(client, onMessage, close);
    try {
      await this.#answer(client);
    } catch (error) {
      await close();
      throw error;
    }
    this.#subscribe(client, (reason) => {
      end(reason);
      void close();
    });
    return { closed, close };
  }

  async #connect(): Promise<MqttClient> {
    let built: IClientOptions;
    try {
      built = await buildConnectOptions(this.#options, this.#url);
    } catch (error) {
      throw this.#unreachable(messageOf(error));
    }
    const client = mqtt.connect(built);
    // Without a listener its errors would end the process; each of them closes the connection.
    client.on('error', () => undefined);
    return client;
  }

  async #answer(client: MqttClient): Promise<void> {
    const { connectTimeoutMs, protocolVersion } = this.#options;
    const answer = await deadline(
      answerOf(client, protocolVersion === 5),
      connectTimeoutMs,
      this.#clock,
    ).catch(() => ({ failure: failure('timeout', `no answer in ${connectTimeoutMs} ms`) }));
    if (answer.failure !== undefined) throw this.#unreachable(answer.failure.reason, answer.failure.remedy);
  }

  /** From the first packet on: what waits in the session comes right behind the CONNACK. */
  #deliver(
    client: MqttClient,
    onMessage: (message: CommandMessage) => Promise<void>,
    close: () => Promise<void>,
  ): void {
    client.handleMessage = (packet: IPublishPacket, done) => {
      if (packet.topic !== this.#topic) {
        // The session still has the topic of an earlier configuration.
        client.unsubscribe(packet.topic, () => undefined);
        return done();
      }
      const message = {
        payload: packet.payload as Buffer,
        retain: packet.retain,
        responseTopic: packet.properties?.responseTopic,
        correlation: packet.properties?.correlationData,
      };
      onMessage(message).then(
        () => done(),
        () => void close(),
      );
    };
  }

  /** Not waited for: its answer is read behind the messages that the session holds. */
  #subscribe(client: MqttClient, refuse: (reason: FieldwatchError) => void): void {
    // MQTT 5: retained messages are not sent at a SUBSCRIBE, and one that is published retained shows it.
    const v5 = this.#options.protocolVersion === 5 ? { nl: false, rap: true, rh: 2 as const } : {};
    client.subscribe(this.#topic, { qos: 1, ...v5 }, (error, _grants, packet) => {
      const [code = 0] = (packet?.granted as number[] | undefined) ?? [];
      if (code >= 128) refuse(refused(this.#topic, reasonName(code)));
      else if (error !== null && error !== undefined && !client.disconnecting)
        refuse(refused(this.#topic, messageOf(error)));
    });
  }

  async #close(client: MqttClient, closed: Promise<unknown>): Promise<void> {
    // What is still on its way is not acknowledged: it comes again.
    client.handleMessage = () => undefined;
    client.end();
    await deadline(closed, STOP_MS, this.#clock).catch(() => client.end(true));
  }

  #unreachable(reason: string, remedy?: string): FieldwatchError {
    return brokerUnreachable(`no connection to ${new URL(this.#url).host} for commands: ${reason}`, {
      ...(remedy === undefined ? {} : { remedy }),
    });
  }
}

const refused = (topic: string, reason: string) =>
  new FieldwatchError(`the broker does not allow the subscription of ${topic}: ${reason}`, {
    code: 'SUBSCRIPTION_REFUSED',
    kind: 'auth',
    remedy: 'Allow the user of mqtt.username to read the topic of mqtt.commands.',
  });
