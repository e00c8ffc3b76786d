import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import { MqttCommandSource } from '../../../src/adapters/mqtt/command-source.ts';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import type { CommandConnection, CommandMessage } from '../../../src/ports/commands.ts';
import { eventually } from '../../support/eventually.ts';
import { Mosquitto } from '../../support/mosquitto.ts';
import { mqttOptions } from '../../support/mqtt-source.ts';
import { ScriptedBroker } from '../../support/scripted-broker.ts';
import { describeWith } from '../../support/tools.ts';

describeWith('mosquitto', 'mosquitto_passwd')('the session of a command topic', () => {
  let broker: Mosquitto;
  let operator: MqttClient;
  const connections: CommandConnection[] = [];

  beforeAll(async () => {
    broker = await Mosquitto.start({
      users: { fieldwatch: 'right', operator: 'right' },
    });
    operator = await mqtt.connectAsync(broker.url, {
      ...{ protocolVersion: 5, username: 'operator', password: 'right' },
    });
  });
  afterEach(async () => {
    await Promise.all(connections.splice(0).map((each) => each.close()));
  });
  afterAll(async () => {
    await operator?.endAsync(true);
    await broker?.stop();
  });

  const sourceOf = (protocolVersion: 4 | 5, topic: string, password = 'right') =>
    new MqttCommandSource(
      mqttOptions(broker.url, { protocolVersion, credentials: { username: 'fieldwatch', password } }),
      { url: broker.url, topic, session: `test-${protocolVersion}-commands` },
      createSystemClock(),
    );

  async function open(
    source: MqttCommandSource,
    onMessage: (message: CommandMessage) => Promise<void>,
  ): Promise<CommandConnection> {
    const subscribed = broker.log.split('Sending SUBACK to test-').length;
    const connection = await source.open(onMessage);
    connections.push(connection);
    await eventually('subscribed', () => broker.log.split('Sending SUBACK to test-').length > subscribed);
    return connection;
  }

  const publish = (topic: string, text: string, more: mqtt.IClientPublishOptions = {}) =>
    operator.publishAsync(topic, text, { qos: 1, ...more });

  describe.each([5, 4] as const)('protocol version %i', (version) => {
    const topic = `fw/v${version}`;

    test('what was not acknowledged comes again, in order, and what was does not', async () => {
      const seen: string[] = [];
      const source = sourceOf(version, topic);
      const first = await open(source, async ({ payload }) => {
        seen.push(String(payload));
        if (seen.length === 2) throw new Error('killed before the answer');
      });
      for (const text of ['a', 'b', 'c']) await publish(topic, text);
      await first.closed;
      await publish(topic, 'd');
      await open(source, async ({ payload }) => void seen.push(String(payload)));
      await eventually('the rest has come', () => seen.length === 5);
      expect(seen).toEqual(['a', 'b', 'b', 'c', 'd']);
    });

    test('one at a time: the next one waits for the one before', async () => {
      let [running, most, done] = [0, 0, 0];
      await open(sourceOf(version, topic), async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        done++;
      });
      await Promise.all(Array.from({ length: 30 }, (_, n) => publish(topic, String(n))));
      await eventually('all have come', () => done === 30);
      expect(most).toBe(1);
    });

    test('a retained message is never taken for one that was just sent', async () => {
      const seen: [string, boolean][] = [];
      const source = sourceOf(version, topic);
      const collect = async ({ payload, retain }: CommandMessage) =>
        void seen.push([String(payload), retain]);
      const first = await open(source, collect);
      await publish(topic, 'kept', { retain: true });
      await eventually('it has come', () => seen.length === 1);
      await first.close();
      await open(source, collect);
      await publish(topic, 'last');
      await eventually('the last one has come', () => seen.some(([text]) => text === 'last'));
      await publish(topic, '', { retain: true });
      // Before version 5 a broker shows it only to who subscribes later.
      const [live, ...later] = seen.filter(([text]) => text !== '');
      expect(live).toEqual(['kept', version === 5]);
      for (const [text, retain] of later) expect([text, retain]).toEqual([text, text === 'kept']);
    });

    test('a topic of an earlier configuration is left', async () => {
      const seen: string[] = [];
      const old = await open(sourceOf(version, `${topic}/old`), async () => undefined);
      await old.close();
      await publish(`${topic}/old`, 'unread');
      await open(sourceOf(version, topic), async ({ payload }) => void seen.push(String(payload)));
      await eventually('unsubscribed', () =>
        broker.log.includes(`Received UNSUBSCRIBE from test-${version}`),
      );
      await publish(topic, 'mine');
      await eventually('it has come', () => seen.length === 1);
      expect(seen).toEqual(['mine']);
    });
  });

  test('the request of MQTT 5 is handed over', async () => {
    const seen: CommandMessage[] = [];
    await open(sourceOf(5, 'fw/v5'), async (message) => void seen.push(message));
    await publish('fw/v5', 'x', {
      properties: { responseTopic: 'fw/answers/ann', correlationData: Buffer.from('c-1') },
    });
    await eventually('it has come', () => seen.length === 1);
    expect(seen).toMatchObject([{ responseTopic: 'fw/answers/ann', correlation: Buffer.from('c-1') }]);
  });

  test('wrong credentials, and a topic that may not be read, are reported with a remedy', async () => {
    await expect(sourceOf(5, 'fw/v5', 'wrong').open(async () => undefined)).rejects.toMatchObject({
      code: 'BROKER_UNREACHABLE',
      message: expect.stringMatching(/for commands: the broker refused the connection/) as unknown,
    });
    const scripted = await ScriptedBroker.start({ subscribe: () => [135] });
    const where = { url: scripted.url, topic: 'fw/v5', session: 'test' };
    const source = new MqttCommandSource(mqttOptions(scripted.url), where, createSystemClock());
    const connection = await source.open(async () => undefined);
    expect(await connection.closed).toMatchObject({
      code: 'SUBSCRIPTION_REFUSED',
      message: expect.stringMatching(/fw\/v5: Not authorized/) as unknown,
    });
    await connection.close();
    await scripted.stop();
  });
});
