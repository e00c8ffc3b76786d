import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { Aedes, type Client } from 'aedes';
import { limitPackets } from './packet-limit.ts';
import { portInUse } from './port-in-use.ts';

export interface EmbeddedBrokerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface EmbeddedBroker {
  readonly url: string;
  readonly port: number;
  /** Disconnects all clients; idempotent. */
  stop(): Promise<void>;
}

const MAX_CONNECTIONS = 1000;
/** Above what any sensor sends; mosquitto's default for a message is 256 MiB. */
const MAX_PAYLOAD_BYTES = 1024 * 1024;
/** With topic and header. */
const MAX_PACKET_BYTES = MAX_PAYLOAD_BYTES + 128 * 1024;
/** Bytes of packets whose end has not arrived, of all clients together. */
const MAX_UNFINISHED_BYTES = 64 * 1024 * 1024;
const CLOSE_MS = 500;
/** Bytes that a client may send before its CONNECT has been answered. */
const QUEUE_LIMIT = 1000;

/**
 * An MQTT broker in this process, for trying things out and for small sites. MQTT 3.1 and 3.1.1 only: a client that
 * connects with MQTT 5 is refused with return code 1, unacceptable protocol version.
 *
 * Sessions, retained messages and QoS 1 messages on their way live in memory. A message is acknowledged to its
 * publisher when the broker has it, and is lost if this process dies before the daemon has stored it; "no QoS 1 message
 * is lost" needs a broker with persistence (mosquitto with `persistence true`). There is no authentication: loopback.
 */
export async function startEmbeddedBroker({ host, port }: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  const broker = await Aedes.createBroker({
    queueLimit: QUEUE_LIMIT,
    // fieldwatch and many devices use ids longer than the 23 characters that MQTT 3.1 guarantees.
    maxClientsIdLength: 65_535,
    authorizePublish: (_client, packet, done) => {
      const { length } = packet.payload;
      done(
        length > MAX_PAYLOAD_BYTES
          ? new Error(`payload of ${length} bytes, at most ${MAX_PAYLOAD_BYTES}`)
          : null,
      );
    },
  });
  const sockets = new Set<Socket>();
  const limit = limitPackets({ maxPacket: MAX_PACKET_BYTES, maxUnfinished: MAX_UNFINISHED_BYTES });
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    limit(socket);
    socket.once('close', () => sockets.delete(socket));
    broker.handle(socket);
  });
  server.maxConnections = MAX_CONNECTIONS;
  // A client that breaks the protocol is disconnected by the broker; that is no event of this process.
  broker.on('clientError', (client: Client) => client.close());
  broker.on('connectionError', (client: Client) => client.close());
  const bound = await listen(server, host, port).catch(async (error: unknown) => {
    await closeBroker(broker);
    throw portInUse(error, { port, what: 'the embedded MQTT broker', key: 'embedded.mqtt_port' });
  });
  let stopped: Promise<void> | undefined;
  return {
    url: `mqtt://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    port: bound,
    stop: () => (stopped ??= stop(broker, server, sockets)),
  };
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return (server.address() as AddressInfo).port;
}

async function closeBroker(broker: Aedes): Promise<void> {
  return new Promise((resolve) => broker.close(resolve));
}

async function stop(broker: Aedes, server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Clients that do not answer, and connections that have not sent CONNECT yet.
  const destroySockets = () => sockets.forEach((socket) => socket.destroy());
  const late = setTimeout(destroySockets, CLOSE_MS).unref();
  void closeBroker(broker).then(destroySockets);
  await closed;
  clearTimeout(late);
}
