import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import type { InboundMessage } from '../../../src/ports/messages.ts';
import { Redelivery } from '../../../src/services/ingest/redelivery.ts';

const message = (packetId: number, extra: Partial<InboundMessage> = {}): InboundMessage => ({
  topic: 't',
  payload: new Uint8Array([1, 2, 3]),
  qos: 1,
  retain: false,
  dup: false,
  receivedAtMs: 1000,
  arrivalUs: 1_000_000,
  contentType: undefined,
  epoch: 1,
  packetId,
  ...extra,
});
const again = (packetId: number, extra: Partial<InboundMessage> = {}) =>
  message(packetId, { dup: true, epoch: 2, receivedAtMs: 9000, ...extra });

describe('Redelivery', () => {
  it('gives a held message its first arrival time when it comes again', () => {
    const redelivery = new Redelivery();
    redelivery.connectionLost([message(7)]);
    expect(redelivery.firstOf(again(7)).receivedAtMs).toBe(1000);
    expect(redelivery.firstOf(again(7)).receivedAtMs).toBe(9000);
  });

  it('gives it the first arrival time also when it comes a third time', () => {
    const redelivery = new Redelivery();
    redelivery.connectionLost([message(7)]);
    const second = again(7);
    redelivery.firstOf(second);
    redelivery.connectionLost([second]);
    expect(redelivery.firstOf(again(7)).receivedAtMs).toBe(1000);
  });

  it('remembers what was acknowledged last, for the acknowledgement may have been lost', () => {
    const redelivery = new Redelivery();
    redelivery.acknowledged([message(3)]);
    redelivery.connectionLost([]);
    expect(redelivery.firstOf(again(3)).receivedAtMs).toBe(1000);
  });

  it('statement 4: keeps nothing of the messages themselves, however large they are', async () => {
    const redelivery = new Redelivery();
    let freed = 0;
    const registry = new FinalizationRegistry(() => freed++);
    for (let id = 1; id <= 100; id++) {
      const large = message(id, { payload: new Uint8Array(10_000) });
      registry.register(large.payload, id);
      redelivery.acknowledged([large]);
    }
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let tick = 0; tick < 20 && freed < 99; tick++) {
      collect();
      await new Promise(setImmediate);
    }
    // The last one may still lie on the stack.
    expect(freed).toBeGreaterThanOrEqual(99);
    redelivery.connectionLost([]);
    expect(redelivery.firstOf(again(50, { payload: new Uint8Array(10_000) })).receivedAtMs).toBe(1000);
  });

  it('keeps what was acknowledged late apart from what is still to come under the same identifier', () => {
    const redelivery = new Redelivery();
    const held = message(7);
    redelivery.connectionLost([held]);
    redelivery.acknowledged([held]);
    expect(redelivery.firstOf(again(7)).receivedAtMs).toBe(1000);
  });

  it.each([
    ['another payload', again(7, { payload: new Uint8Array([1, 2, 4]) })],
    ['another topic', again(7, { topic: 'u' })],
    ['no DUP flag', message(7, { receivedAtMs: 9000 })],
    ['an unknown packet identifier', again(8)],
  ])('takes a message with %s as a new one', (_, next) => {
    const redelivery = new Redelivery();
    redelivery.connectionLost([message(7)]);
    expect(redelivery.firstOf(next).receivedAtMs).toBe(9000);
  });

  it('forgets all when the broker lost the session', () => {
    const redelivery = new Redelivery();
    redelivery.connectionLost([message(7)]);
    redelivery.sessionLost();
    expect(redelivery.firstOf(again(7)).receivedAtMs).toBe(9000);
  });
});
