import type { IConnackPacket, MqttClient } from 'mqtt';
import { connackFailure, errorFailure, failure, type Failure } from './failure.ts';

/** What a broker makes of one attempt to connect: one of the two is there. */
export interface Answer {
  readonly connack: IConnackPacket | undefined;
  readonly failure: Failure | undefined;
}

/** The first answer on a connection: CONNACK, or why there is none. Never rejects; waits as long as the client does. */
export function answerOf(client: MqttClient, isV5: boolean): Promise<Answer> {
  return new Promise((resolve) => {
    const fail = (end: Failure) => resolve({ connack: undefined, failure: end });
    client.once('packetreceive', (packet) => {
      if (packet.cmd !== 'connack') return;
      const code = (isV5 ? packet.reasonCode : packet.returnCode) ?? 0;
      if (code === 0) resolve({ connack: packet, failure: undefined });
      else fail(connackFailure(code));
    });
    client.on('error', (error) => fail(errorFailure(error)));
    client.stream.on('error', (error: Error) => fail(errorFailure(error)));
    client.once('close', () => fail(failure('broker_closed', 'the broker closed the connection')));
  });
}
