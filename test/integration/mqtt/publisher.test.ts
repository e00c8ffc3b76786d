import { afterEach, describe, expect, test } from '@jest/globals';
import { type Publisher, openPublisher } from '../../../src/adapters/mqtt/publish-once.ts';
import { mqttOptions } from '../../support/mqtt-source.ts';
import { type BrokerScript, ScriptedBroker } from '../../support/scripted-broker.ts';

/** How a publish of a command ends, whatever the broker does. */
describe('a publish that the broker does not take', () => {
  let broker: ScriptedBroker;
  let publisher: Publisher;
  afterEach(async () => {
    await publisher.end();
    await broker.stop();
  });

  async function publish(said: ReturnType<NonNullable<BrokerScript['puback']>>): Promise<void> {
    broker = await ScriptedBroker.start({ puback: () => said });
    publisher = await openPublisher(mqttOptions(broker.url), broker.url, 300);
    await publisher.publish('a/1', 'x', { qos: 1, retain: false, subscribed: true });
  }

  test.each([
    ['a connection that ends', 'hang-up', 'BROKER_UNREACHABLE', 'ended before'],
    ['no acknowledgement', 'silence', 'BROKER_UNREACHABLE', 'no acknowledgement within 0.3 s'],
    ['no right to the topic', 135, 'PUBLISH_REFUSED', '"a/1": Not authorized (135)'],
    ['no subscriber', 16, 'PUBLISH_NO_SUBSCRIBER', '"a/1"'],
  ] as const)('%s', async (_, said, code, words) => {
    await expect(publish(said)).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
  });

  test('without a subscriber it may be enough that the broker has it', async () => {
    await expect(publish(16)).rejects.toMatchObject({ code: 'PUBLISH_NO_SUBSCRIBER' });
    await publisher.publish('a/1', 'x', { qos: 1, retain: true });
  });
});
