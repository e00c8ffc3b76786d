import type { Duplex } from 'node:stream';
import type { IClientOptions, MqttClient } from 'mqtt';

export type Transport = (client: MqttClient, options: IClientOptions) => Duplex;

/** How MQTT.js connects by the protocol of `options`: TCP, TLS or WebSocket, each loaded when it is needed. */
export async function transportOf({ protocol = 'mqtt' }: IClientOptions): Promise<Transport> {
  if (protocol === 'ws' || protocol === 'wss') return (await import('mqtt/lib/connect/ws')).streamBuilder;
  if (protocol === 'mqtts') return (await import('mqtt/lib/connect/tls')).default.default;
  return (await import('mqtt/lib/connect/tcp')).default.default;
}
