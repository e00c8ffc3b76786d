import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import { performance } from 'node:perf_hooks';
import { eventually } from '../../support/eventually.ts';
import { Mosquitto } from '../../support/mosquitto.ts';
import { SourceProbe, mqttOptions, plainClient, publishNumbers } from '../../support/mqtt-source.ts';
import { describeWith } from '../../support/tools.ts';

describeWith('mosquitto').each([5, 4] as const)(
  'the session of a member of a share group, protocol version %i',
  (protocolVersion) => {
    let broker: Mosquitto;
    let publisher: MqttClient;
    const probes: SourceProbe[] = [];

    /** `acknowledges`: what arrives is safe at once. */
    const start = async (clientId: string, acknowledges = true): Promise<SourceProbe> => {
      const filters = ['$share/crew/t/#'];
      const more = { clientId, filters, protocolVersion, receiveMaximum: 50, followsSession: true };
      const probe = new SourceProbe(mqttOptions(broker.url, more));
      probes.push(probe);
      if (acknowledges) probe.onMessage = (message) => probe.source.acknowledge([message]);
      await probe.start();
      await probe.until(() => probe.states('subscribed').length > 0);
      return probe;
    };
    const readThrough = ({ source }: SourceProbe) => source.readThroughMs ?? -Infinity;
    const isReadUpTo = (probe: SourceProbe, ms: number) =>
      eventually(`read up to ${ms}`, () => readThrough(probe) >= ms);

    beforeEach(async () => {
      broker = await Mosquitto.start({ config: ['max_queued_messages 0'] });
      publisher = await plainClient(broker.url);
    });
    afterEach(async () => {
      await Promise.all(probes.splice(0).map(({ source }) => source.stop()));
      publisher.end(true);
      await broker.stop();
    });

    test('is read when what the broker kept for it is received and acknowledged, and not before', async () => {
      const first = await start('one');
      await isReadUpTo(first, performance.now());
      await first.source.stop();
      expect(readThrough(first)).toBe(-Infinity);
      await publishNumbers(publisher, 't/1', 1, 400);
      const again = await start('one', false);
      for (let safe = 0; safe < 400;) {
        await again.until(() => again.messages.length > safe);
        expect(readThrough(again)).toBe(-Infinity);
        const some = again.messages.slice(safe, safe + 40);
        again.source.acknowledge(some);
        safe += some.length;
      }
      await isReadUpTo(again, performance.now());
    });

    test('is empty after it has unsubscribed: all it was sent is acknowledged, and others get the rest', async () => {
      const [one, two] = [await start('one'), await start('two')];
      const sending = publishNumbers(publisher, 't/1', 1, 1000);
      await one.until(() => one.messages.length > 20);
      expect(await one.source.unsubscribe?.()).toBe(true);
      await sending;
      const mine = one.messages.length;
      await two.until(() => two.messages.length + mine >= 1000);
      await one.source.stop();
      await publishNumbers(publisher, 't/1', 1001, 1020);
      await two.until(() => two.messages.length + mine >= 1020);
      expect(new Set([...one.texts, ...two.texts]).size).toBe(1020);
      const back = await start('one');
      await isReadUpTo(back, performance.now());
      expect(back.messages).toEqual([]);
    });

    test('may hold messages where they are not acknowledged, or the broker is away', async () => {
      const one = await start('one', false);
      await publishNumbers(publisher, 't/1', 1, 1);
      await one.until(() => one.messages.length === 1);
      expect(await one.source.unsubscribe?.()).toBe(false);
      await broker.kill();
      await one.until(() => one.states('disconnected').length > 0);
      expect(await one.source.unsubscribe?.()).toBe(false);
    });
  },
);
