import { expect, test } from '@jest/globals';
import type { IPublishPacket, MqttClient } from 'mqtt';
import { InboundGate } from '../../../src/adapters/mqtt/held-acks.ts';

/** The number of these messages that are handed over in one event loop iteration. */
function inOneIteration(bytes: number): number {
  const none = () => undefined;
  const client = { _sendPacket: none, sendPing: none, onKeepaliveTimeout: none } as unknown as MqttClient;
  let delivered = 0;
  new InboundGate(client, 'open', () => void delivered++);
  const packet = { cmd: 'publish', payload: Buffer.alloc(bytes) } as IPublishPacket;
  for (let gone = 0; gone < 1000; gone++) {
    let goesOn = false;
    client.handleMessage(packet, () => (goesOn = true));
    if (!goesOn) break;
  }
  return delivered;
}

test('statement 6: the event loop runs after each large message, and after many small ones', () => {
  expect(inOneIteration(100)).toBe(256);
  expect(inOneIteration(10_000)).toBe(7);
  expect(inOneIteration(330_000)).toBe(1);
  expect(inOneIteration(1024 ** 2)).toBe(1);
});
