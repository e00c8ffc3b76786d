import { readFile } from 'node:fs/promises';
import type { IClientOptions, MqttClient } from 'mqtt';
import type { PublishLimits } from './broker-adaptation.ts';
import type { MqttCredentials, MqttSourceOptions, MqttTlsOptions } from './options.ts';
import type { Duplex } from 'node:stream';

/**
 * MQTT.js options for one connection attempt. Built anew each time, because each attempt has its own MQTT.js client:
 * so credentials and certificates are fresh, and nothing queued inside MQTT.js crosses from one connection to the next.
 */
export async function buildConnectOptions(
  options: MqttSourceOptions,
  url: string,
  willLimits: PublishLimits = { qos: 1, retain: true },
): Promise<IClientOptions> {
  const [credentials, tls] = await Promise.all([readCredentials(options.credentials), readTls(options.tls)]);
  return {
    ...endpoint(url),
    ...credentials,
    ...tls,
    ...(isWebSocket(url) ? { wsOptions: webSocketOptions(options, tls) } : {}),
    ...session(options),
    ...will(options.statusTopic, willLimits),
    clientId: options.clientId,
    keepalive: options.keepaliveS,
    connectTimeout: options.connectTimeoutMs,
    // The source reconnects and subscribes again itself, with its own backoff and memory.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // MQTT.js calls its debug log a dozen times per message; even switched off, `debug` costs more than this.
    log: () => undefined,
  };
}

function isWebSocket(url: string): boolean {
  return /^wss?:/i.test(url);
}

function endpoint(url: string): IClientOptions {
  const { protocol, hostname, port, pathname, search } = new URL(url);
  const name = protocol.slice(0, -1);
  // A socket needs a bare IPv6 address; a WebSocket URL is put together again and needs the brackets.
  const host = isWebSocket(url) ? hostname : hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    protocol: name as NonNullable<IClientOptions['protocol']>,
    host,
    hostname: host,
    ...(port === '' ? {} : { port: Number(port) }),
    ...(isWebSocket(url) ? { path: `${pathname}${search}` } : {}),
  };
}

function session(options: MqttSourceOptions): IClientOptions {
  if (options.protocolVersion === 4) return { protocolVersion: 4, clean: false };
  return {
    protocolVersion: 5,
    clean: false,
    properties: {
      sessionExpiryInterval: options.sessionExpiryS,
      receiveMaximum: options.receiveMaximum,
      // No topicAliasMaximum: without it the broker must spell every topic out, and `packet.topic` is the topic.
      ...(options.maximumPacketSize === undefined ? {} : { maximumPacketSize: options.maximumPacketSize }),
    },
  };
}

function will(statusTopic: string | undefined, { qos, retain }: PublishLimits): IClientOptions {
  if (statusTopic === undefined) return {};
  return { will: { topic: statusTopic, payload: Buffer.from('offline'), qos, retain } };
}

async function readCredentials(source: MqttSourceOptions['credentials']): Promise<IClientOptions> {
  const { username, password }: MqttCredentials =
    typeof source === 'function' ? await source() : (source ?? {});
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** Reads the files as they are now. Rejects with the file system's error, which names the path. */
export async function readTls(tls: MqttTlsOptions | undefined): Promise<TlsMaterial> {
  if (tls === undefined) return {};
  const [ca, cert, key] = await Promise.all([tls.caFile, tls.certFile, tls.keyFile].map(readOptional));
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.servername === undefined ? {} : { servername: tls.servername }),
    rejectUnauthorized: tls.rejectUnauthorized ?? true,
  };
}

async function readOptional(path: string | undefined): Promise<Buffer | undefined> {
  return path === undefined ? undefined : readFile(path);
}

function webSocketOptions(
  options: MqttSourceOptions,
  tls: TlsMaterial,
): NonNullable<IClientOptions['wsOptions']> {
  // Small messages gain nothing from compression, and it costs a context per connection.
  return { ...tls, perMessageDeflate: false, handshakeTimeout: options.connectTimeoutMs };
}

export type Transport = (client: MqttClient, options: IClientOptions) => Duplex;

/** How MQTT.js connects by the protocol of `options`: TCP, TLS or WebSocket, each loaded when it is needed. */
export async function transportOf({ protocol = 'mqtt' }: IClientOptions): Promise<Transport> {
  if (protocol === 'ws' || protocol === 'wss') return (await import('mqtt/lib/connect/ws')).streamBuilder;
  if (protocol === 'mqtts') return (await import('mqtt/lib/connect/tls')).default.default;
  return (await import('mqtt/lib/connect/tcp')).default.default;
}
