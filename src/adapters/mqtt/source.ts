import type { IConnackPacket } from 'mqtt';
import { counted } from '../../core/counted.ts';
import { messageOf } from '../../core/errors.ts';
import type { Millis } from '../../core/reading.ts';
import { Arrivals } from '../../core/ingest/arrival.ts';
import { overlappingFilters } from '../../core/ingest/topic.ts';
import type { RandomSource } from '../../lib/backoff.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import { sleep } from '../../lib/sleep.ts';
import { deadline } from '../../lib/timeout.ts';
import type { InboundMessage, MessageHandlers, MessageSource } from '../../ports/messages.ts';
import type { LogFields, Logger, Metrics } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import { BrokerAdaptation } from './broker-adaptation.ts';
import { serverLimits } from './broker-limits.ts';
import type { GateMode } from './broker-stream.ts';
import { tryOverlappingSubscriptions, trySharedSubscriptions } from './broker-trials.ts';
import { buildConnectOptions, transportOf } from './connect-options.ts';
import { MqttConnection, type PublishSettings } from './connection.ts';
import { type Failure, failure } from './failure.ts';
import { createMqttMetrics, type MqttMetrics } from './metrics.ts';
import { MQTT4_WINDOW, type MqttSourceOptions } from './options.ts';
import { OverlappingCopies } from './overlapping-copies.ts';
import { SeenWindow } from './read-through.ts';
import { ReconnectPolicy } from './reconnect-policy.ts';
import { Subscriptions } from './subscriptions.ts';

export interface MqttSourceDeps {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: RandomSource;
}

/** A message source that can also publish: the status, and MQTT messages of other components. */
export interface MqttSource extends MessageSource {
  /** Resolves once written (QoS 0) or acknowledged (QoS 1); rejects without a connection: nothing is queued. */
  publish(topic: string, payload: Uint8Array | string, options: PublishSettings): Promise<void>;
}

/** How long `stop` may take in all, and `unsubscribe`. */
const STOP_MS = 2000;
/** How often the broker is asked how far the session is read, and how often before a stop. */
const PROBE_EVERY_MS = 400;
const LAST_PROBES_MS = 20;

export const createMqttSource = (options: MqttSourceOptions, deps: MqttSourceDeps): MqttSource =>
  new MqttJsSource(options, deps);

class MqttJsSource implements MqttSource {
  readonly #options: MqttSourceOptions;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #arrivals = new Arrivals();
  readonly #metrics: MqttMetrics;
  readonly #policy: ReconnectPolicy;
  readonly #subscriptions: Subscriptions;
  readonly #adaptation: BrokerAdaptation;
  #handlers: MessageHandlers | undefined;
  #connection: MqttConnection | undefined;
  #gate: GateMode = 'open';
  #epoch = 0;
  #connectedAtMs: number | undefined;
  #url = '';
  #filters: readonly string[];
  #sharedTried = false;
  #sharesWarned = false;
  /** Whether the broker sends a copy for each matching filter; undefined until it was tried. */
  #sendsCopies: boolean | undefined;
  #identifiers: ReadonlyMap<string, number> = new Map();
  #hadSession = false;
  #sessionPresent = false;
  #cancelRetry: () => void = () => undefined;
  readonly #window: SeenWindow | undefined;
  readonly #probes: PollLoop;
  #stopped: Promise<void> | undefined;
  #onClosed: () => void = () => undefined;

  constructor(options: MqttSourceOptions, deps: MqttSourceDeps) {
    this.#options = options;
    this.#filters = options.filters;
    if (options.followsSession === true)
      this.#window = new SeenWindow(options.protocolVersion === 5 ? options.receiveMaximum : Infinity);
    this.#clock = deps.clock;
    const probe = () => this.#connection?.probe();
    this.#probes = new PollLoop({ clock: deps.clock, everyMs: PROBE_EVERY_MS, run: probe });
    this.#logger = deps.logger.child({ client_id: options.clientId });
    this.#metrics = createMqttMetrics(deps.metrics, () => this.#connection?.heldCount ?? 0);
    this.#policy = new ReconnectPolicy(options.reconnect, deps.random, this.#logger);
    this.#adaptation = new BrokerAdaptation(this.#logger);
    this.#subscriptions = new Subscriptions(options.filters, {
      logger: this.#logger,
      clock: deps.clock,
      random: deps.random,
      failedGauge: this.#metrics.subscriptionsFailed,
      onSettled: (active, refused) => this.#subscribed(active, refused),
      backoff: options.reconnect,
      memory: options.memory,
      retainHandling: options.retainHandling ?? 1,
      refusalOf: (filter) => this.#adaptation.refusalOf(filter),
      identifierOf: (filter) => this.#identifiers.get(filter),
      offersQos1: () => this.#adaptation.publish.qos === 1,
      packet: () => ({
        maxFilters: options.maxSubscribeFilters,
        maxBytes: this.#adaptation.limits?.maximumPacketSize ?? Infinity,
      }),
    });
  }

  async start(handlers: MessageHandlers): Promise<void> {
    this.#handlers = handlers;
    this.#hadSession = await this.#subscriptions.load();
    if (this.#window !== undefined) void this.#probes.now();
    await this.#attempt();
  }

  get readThroughMs(): Millis {
    return this.#connection?.readThroughMs ?? -Infinity;
  }

  async unsubscribe(): Promise<boolean> {
    const connection = this.#connection;
    if (connection?.isOpen !== true) return false;
    const readAll = async (): Promise<boolean> => {
      await connection.unsubscribe(this.#filters);
      const sinceMs = this.#clock.monotonicMs();
      while (connection.isOpen && connection.readThroughMs < sinceMs) {
        connection.probe();
        await sleep(this.#clock, LAST_PROBES_MS);
      }
      return connection.isOpen;
    };
    return deadline(readAll(), STOP_MS, this.#clock).catch(() => false);
  }

  acknowledge(messages: readonly InboundMessage[]): void {
    const connection = this.#connection;
    const counts = connection?.acknowledge(messages) ?? { sent: 0, stale: qos1(messages), notHeld: 0 };
    if (counts.sent > 0) this.#metrics.acksSent.inc(counts.sent);
    if (counts.stale > 0) this.#metrics.acksDropped.inc(counts.stale, { reason: 'stale' });
    if (counts.notHeld > 0) {
      this.#metrics.acksDropped.inc(counts.notHeld, { reason: 'not_held' });
      this.#logger.error({ messages: counts.notHeld }, 'mqtt: messages acknowledged twice (bug)');
    }
  }

  pause(): void {
    if (this.#gate === 'open') this.#setGate('paused');
  }

  resume(): void {
    if (this.#gate === 'paused') this.#setGate('open');
  }

  async resubscribe(filters: readonly string[]): Promise<void> {
    this.#filters = filters;
    const connection = this.#connection;
    if (connection?.isOpen === true) {
      await this.#prepareOverlaps();
      connection.markCopies(OverlappingCopies.of(filters, this.#sendsCopies === true));
    }
    await this.#subscriptions.replace(filters);
  }

  async stopReceiving(): Promise<void> {
    // Reading goes on, so that pings and our own publishes are answered; what still arrives is not acknowledged and
    // comes again at the next start. After a lost connection nothing is left to acknowledge: no reconnect either.
    this.#setGate('discarding');
    this.#cancelRetry();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#shutDown();
    return this.#stopped;
  }

  async publish(topic: string, payload: Uint8Array | string, options: PublishSettings): Promise<void> {
    if (this.#connection === undefined) throw new Error('not connected');
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const { qos, retain } = this.#adaptation.clamp(options);
    await this.#connection.publish(topic, bytes, { qos, retain, correlation: options.correlation });
  }

  #setGate(mode: GateMode): void {
    this.#gate = mode;
    this.#connection?.setGate(mode);
  }

  get #isDone(): boolean {
    return this.#stopped !== undefined || this.#gate === 'discarding';
  }

  /** Opens one connection; never rejects. Its end, or its failure to begin, schedules the next attempt. */
  async #attempt(): Promise<void> {
    if (this.#isDone) return;
    const epoch = ++this.#epoch;
    const url = this.#options.urls[(epoch - 1) % this.#options.urls.length] ?? '';
    this.#url = url;
    this.#handlers?.onConnectivity({ state: 'connecting' });
    try {
      const building = buildConnectOptions(this.#options, url, this.#adaptation.publish);
      const connectOptions = await deadline(building, this.#options.connectTimeoutMs, this.#clock);
      const transport = await transportOf(connectOptions);
      if (this.#isDone) return;
      const settings = { options: connectOptions, transport, gate: this.#gate, window: this.#window };
      const time = { clock: this.#clock, arrivals: this.#arrivals };
      const connection: MqttConnection = new MqttConnection(epoch, settings, time, {
        onOpen: (connack) => this.#onOpen(connack, url),
        onReady: () => this.#onReady(connection),
        onMessage: (message) => this.#handlers?.onMessage(message),
        onClosed: (end) => this.#ended(end),
      });
      this.#connection = connection;
    } catch (error) {
      this.#ended(failure('setup', messageOf(error)));
    }
  }

  #onOpen(connack: IConnackPacket, url: string): void {
    const { protocolVersion, receiveMaximum, assumedWindow } = this.#options;
    const { sessionPresent } = connack;
    this.#connectedAtMs = this.#clock.monotonicMs();
    this.#metrics.connected.set(1);
    this.#metrics.connects.inc();
    this.#logConnected({ url, session_present: sessionPresent, protocol_version: protocolVersion });
    const limits = protocolVersion === 5 ? serverLimits(connack) : undefined;
    this.#adaptation.accepted(limits, { keepaliveS: this.#options.keepaliveS });
    if (this.#hadSession && !sessionPresent) {
      this.#metrics.sessionsLost.inc();
      this.#logger.warn({}, 'mqtt: session lost by the broker, messages published meanwhile may be lost');
    }
    this.#hadSession = true;
    this.#sessionPresent = sessionPresent;
    this.#handlers?.onConnectivity({
      state: 'connected',
      sessionPresent,
      receiveMaximum: protocolVersion === 5 ? receiveMaximum : (assumedWindow ?? MQTT4_WINDOW),
      protocolVersion,
    });
  }

  /** In a loop of connections that end for the same reason, only one that lasts is logged at info. */
  #logConnected(fields: LogFields): void {
    if (!this.#policy.isLooping) return this.#logger.info(fields, 'mqtt: connected');
    this.#logger.debug(fields, 'mqtt: connected');
    const epoch = this.#epoch;
    this.#clock.after(this.#options.reconnect.capMs, () => {
      if (this.#epoch === epoch && this.#connection?.isOpen === true)
        this.#logger.info(fields, 'mqtt: connected');
    });
  }

  #subscribed(active: number, refused: number): void {
    if (this.#policy.isLooping) this.#logger.debug({ active, refused }, 'mqtt: subscribed');
    else this.#logger.info({ active, refused }, 'mqtt: subscribed');
    this.#handlers?.onConnectivity({ state: 'subscribed', active, refused });
  }

  #onReady(connection: MqttConnection): void {
    void this.#subscribe(connection);
    void this.#publishStatus(connection, 'online');
  }

  async #subscribe(connection: MqttConnection): Promise<void> {
    await this.#tryShared();
    await this.#prepareOverlaps();
    if (connection !== this.#connection) return;
    connection.markCopies(OverlappingCopies.of(this.#filters, this.#sendsCopies === true));
    await this.#subscriptions.attach(connection, this.#sessionPresent);
  }

  async #tryShared(): Promise<void> {
    const shared = this.#filters.some((filter) => filter.startsWith('$share/'));
    if (this.#options.protocolVersion === 5 || !shared || this.#sharedTried) return;
    const works = await trySharedSubscriptions(this.#options, this.#url, this.#clock);
    this.#sharedTried = works !== undefined;
    this.#adaptation.sharedTried(works);
  }

  /** Filters that overlap get identifiers; where there are none a trial shows whether the broker sends copies at all. */
  async #prepareOverlaps(): Promise<void> {
    const overlaps = overlappingFilters(this.#filters);
    const overlapping = overlaps.filter((filter) => !filter.startsWith('$share/'));
    if (overlapping.length < overlaps.length) this.#warnOfShares(overlaps);
    const { limits } = this.#adaptation;
    const hasIdentifiers = limits?.subscriptionIdentifiersAvailable === true;
    this.#identifiers = new Map(
      hasIdentifiers ? overlapping.map((filter, index) => [filter, index + 1] as const) : [],
    );
    if (overlapping.length === 0 || hasIdentifiers || this.#sendsCopies !== undefined) return;
    this.#sendsCopies = await tryOverlappingSubscriptions(this.#options, this.#url, this.#clock);
  }

  /** Copies of shared subscriptions go to different daemons: none of them can detect it. */
  #warnOfShares(filters: readonly string[]): void {
    if (this.#sharesWarned) return;
    this.#sharesWarned = true;
    this.#logger.warn(
      { filters, remedy: 'Use routes whose topics do not overlap, or messages with a time of their own.' },
      'mqtt: topics of a share group overlap, a message without a time may be stored twice',
    );
  }

  #ended(cause: Failure): void {
    const aliveMs =
      this.#connectedAtMs === undefined ? undefined : this.#clock.monotonicMs() - this.#connectedAtMs;
    this.#connection = undefined;
    this.#connectedAtMs = undefined;
    const filtersAtEnd = this.#subscriptions.detach(cause.kind === 'broker_closed');
    this.#metrics.connected.set(0);
    this.#onClosed();
    if (this.#isDone) return;
    const end = filtersAtEnd === undefined ? cause : endedAtSubscribe(cause, filtersAtEnd);
    this.#metrics.connectionEnds.inc(1, { reason: end.kind });
    const retryInMs = this.#policy.afterEnd(end, aliveMs, this.#adaptation.learnFromRefusal(end));
    const timer = this.#clock.after(retryInMs, () => void this.#attempt());
    this.#cancelRetry = () => timer.cancel();
    this.#handlers?.onConnectivity({ state: 'disconnected', reason: end.reason, retryInMs });
  }

  async #publishStatus(connection: MqttConnection, status: 'online' | 'offline'): Promise<void> {
    const topic = this.#options.statusTopic;
    if (topic === undefined) return;
    try {
      const { qos, retain } = this.#adaptation.publish;
      await connection.publish(topic, Buffer.from(status), { qos, retain });
    } catch (error) {
      if (connection.isOpen)
        this.#logger.warn({ topic, error: messageOf(error) }, 'mqtt: cannot publish the status');
    }
  }

  /** Acknowledgements are on the wire already and keep their place before the DISCONNECT. */
  async #shutDown(): Promise<void> {
    this.#setGate('discarding');
    this.#cancelRetry();
    void this.#probes.stop();
    const connection = this.#connection;
    if (connection === undefined) return;
    const closed = new Promise<void>((resolve) => (this.#onClosed = resolve));
    const disconnect = async () => {
      if (connection.isOpen) {
        await this.#publishStatus(connection, 'offline');
        connection.disconnect();
      } else {
        connection.destroy();
      }
      await closed;
    };
    await deadline(disconnect(), STOP_MS, this.#clock).catch(() => undefined);
    connection.destroy();
  }
}

function qos1(messages: readonly InboundMessage[]): number {
  return messages.filter((message) => message.qos === 1).length;
}

/** The subscriptions have adapted and the next attempt differs: the reason stays, the likely cause is named. */
function endedAtSubscribe(cause: Failure, filters: number): Failure {
  const reason = `${cause.reason} (at a SUBSCRIBE of ${counted(filters, 'filter')})`;
  const remedy =
    'Check the access rules and the limits of the broker: filters in a packet, subscriptions of a connection.';
  return { ...cause, kind: 'subscribe', reason, remedy };
}
