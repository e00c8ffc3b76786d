import { TLSSocket } from 'node:tls';
import type { IConnackPacket, MqttClient } from 'mqtt';
import { type Failure, type NoAnswer, connackFailure, errorFailure, failure, noAnswer } from './failure.ts';

/** The broker's response to one attempt to connect: one of the two is present. */
export interface Answer {
  readonly connack: IConnackPacket | undefined;
  readonly failure: Failure | undefined;
}

/** The first answer on a connection: CONNACK, or why it did not arrive. Never rejects; waits as long as the client does. */
export function answerOf(client: MqttClient, isV5: boolean): Promise<Answer> {
  return new Promise((resolve) => {
    const secured = watchHandshake(client.stream);
    const fail = (end: Failure) =>
      resolve({ connack: undefined, failure: noAnswer(end, stageOf(client, secured())) });
    client.once('packetreceive', (packet) => {
      if (packet.cmd !== 'connack') return;
      const code = (isV5 ? packet.reasonCode : packet.returnCode) ?? 0;
      if (code === 0) resolve({ connack: packet, failure: undefined });
      else resolve({ connack: undefined, failure: connackFailure(code) });
    });
    client.on('error', (error) => fail(errorFailure(error)));
    client.stream.on('error', (error: Error) => fail(errorFailure(error)));
    client.once('close', () => fail(failure('broker_closed', 'the broker closed the connection')));
  });
}

/** Whether the TLS handshake of a connection is done; a WebSocket does not show it. */
export function watchHandshake(stream: unknown): () => boolean {
  let secured = false;
  if (stream instanceof TLSSocket) stream.once('secureConnect', () => (secured = true));
  return () => secured;
}

/** How far a connection without CONNACK came. */
export function stageOf(client: MqttClient, secured: boolean): NoAnswer {
  const { protocol, protocolVersion } = client.options;
  return {
    protocolVersion: protocolVersion === 5 ? 5 : 4,
    tls: protocol === 'mqtts' || protocol === 'wss',
    secured,
  };
}
