import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import { eventually } from '../../support/eventually.ts';
import { Mosquitto } from '../../support/mosquitto.ts';
import {
  SourceProbe,
  mqttOptions,
  plainClient,
  publishNumbers,
  startProbe,
} from '../../support/mqtt-source.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { describeWith } from '../../support/tools.ts';

describeWith('mosquitto').each([5, 4] as const)(
  'held acknowledgements, protocol version %i',
  (protocolVersion) => {
    let broker: Mosquitto;
    let proxy: TcpProxy;
    let publisher: MqttClient;
    let probe: SourceProbe;
    const window = 50;

    beforeEach(async () => {
      broker = await Mosquitto.start({
        config: [`max_inflight_messages ${window}`, 'max_queued_messages 0'],
        persistence: true,
      });
      proxy = await TcpProxy.start(broker.port);
      publisher = await plainClient(broker.url);
      probe = await startProbe(broker, proxy, { protocolVersion, receiveMaximum: window });
    });

    afterEach(async () => {
      await probe.source.stop();
      publisher.end(true);
      await proxy.close();
      await broker.stop();
    });

    test('a full window comes without any acknowledgement, and not one message more', async () => {
      await publishNumbers(publisher, 't/1', 1, window + 20);
      await probe.until(() => probe.messages.length >= window);
      await roundTrip();
      expect(probe.messages).toHaveLength(window);
      expect(broker.log).not.toMatch(/Received PUBACK from station/);
      expect(probe.metrics.scrape().get('fieldwatch_mqtt_unacknowledged_messages')).toBe(window);

      probe.source.acknowledge(probe.messages.slice(0, 20));
      await probe.until(() => probe.messages.length === window + 20);
      expect(probe.texts).toEqual(Array.from({ length: window + 20 }, (_, n) => String(n + 1)));
    });

    test('messages at QoS 2, of subscriptions that an earlier program left, are received when they are acknowledged', async () => {
      await probe.source.stop();
      const earlier = await plainClient(broker.url, {
        ...{ protocolVersion, clientId: 'station', clean: false },
        properties: { sessionExpiryInterval: 3600 },
      });
      await earlier.subscribeAsync('old/#', { qos: 2 });
      await earlier.endAsync();
      for (let n = 1; n <= 5; n++) await publisher.publishAsync('old/1', String(n), { qos: 2 });
      probe = await new SourceProbe(
        mqttOptions(`mqtt://127.0.0.1:${proxy.port}`, { protocolVersion }),
      ).start();
      await probe.until(() => probe.messages.length === 5);
      await roundTrip();
      expect(broker.log).not.toMatch(/Received PUBREC from station/);

      // Without acknowledgement they come again with the next connection.
      proxy.cut();
      await probe.until(() => probe.messages.length === 10);
      expect(probe.texts.slice(5)).toEqual(['1', '2', '3', '4', '5']);
      probe.source.acknowledge(probe.messages.slice(5));
      await broker.logged('Received PUBCOMP from station', 5);
      expect(broker.count('Received PUBREC from station')).toBe(5);
      expect(broker.log).not.toMatch(/Received PUBACK from station/);
      expect(probe.states('connected')).toHaveLength(2);
      expect(probe.metrics.scrape().get('fieldwatch_mqtt_unacknowledged_messages')).toBe(0);
    });

    test('the acknowledgements of one call arrive as one piece', async () => {
      await publishNumbers(publisher, 't/1', 1, window);
      await probe.until(() => probe.messages.length === window);
      const chunks: number[] = [];
      proxy.swallow((chunk, direction) => {
        if (direction === 'up') chunks.push(chunk.length);
        return false;
      });
      probe.source.acknowledge(probe.messages);
      await broker.logged('Received PUBACK from station', window);
      expect(chunks).toEqual([4 * window]);
    });

    test('statement 3: what was not acknowledged comes again after a reconnect, and old acknowledgements release nothing', async () => {
      await publishNumbers(publisher, 't/1', 1, 10);
      await probe.until(() => probe.messages.length === 10);
      const old = [...probe.messages];
      probe.source.acknowledge(old.slice(0, 4));
      await broker.logged('Received PUBACK from station', 4);
      proxy.cut();
      await probe.until(() => probe.messages.length === 16);
      expect(probe.texts.slice(10)).toEqual(['5', '6', '7', '8', '9', '10']);
      expect(probe.messages[10]?.dup).toBe(true);

      probe.source.acknowledge(old.slice(4));
      expect(probe.metrics.values.get('fieldwatch_mqtt_acks_dropped_total{reason=stale}')).toBe(6);
      await roundTrip();
      proxy.cut();
      await probe.until(() => probe.messages.length === 22);
      expect(probe.texts.slice(16)).toEqual(['5', '6', '7', '8', '9', '10']);
    });

    test('statement 3: an old acknowledgement does not release another message that has its packet id now', async () => {
      await publishNumbers(publisher, 't/1', 1, 1);
      await probe.until(() => probe.messages.length === 1);
      const first = probe.messages[0]!;
      proxy.cut();
      await probe.until(() => probe.messages.length === 2);
      probe.source.acknowledge([probe.messages[1]!]);
      await eventually('a PUBACK at the broker', () => /Received PUBACK from station/.test(broker.log));
      // Packet ids go round; a session that is new starts again at 1.
      const reused = await reuseId(first.packetId);
      probe.source.acknowledge([first]);
      await roundTrip();
      proxy.cut();
      await probe.until(() => probe.messages.length === reused.seen + 1);
      expect(probe.texts.at(-1)).toBe('other message');
    });

    test('an acknowledgement that is given twice releases nothing else', async () => {
      await publishNumbers(publisher, 't/1', 1, 1);
      await probe.until(() => probe.messages.length === 1);
      const twice = probe.messages[0]!;
      probe.source.acknowledge([twice]);
      probe.source.acknowledge([twice]);
      expect(probe.metrics.values.get('fieldwatch_mqtt_acks_sent_total')).toBe(1);
      expect(probe.metrics.values.get('fieldwatch_mqtt_acks_dropped_total{reason=not_held}')).toBe(1);
    });

    /** Whatever was written before has reached the broker, and what the broker was ready to send has reached us. */
    async function roundTrip(): Promise<void> {
      await probe.source.publish('other', 'x', { qos: 1, retain: false });
    }

    const subscriptionsOf = (log: string) => log.match(/SUBACK to station/g)?.length ?? 0;

    /** Ends the session on the broker, so that ids start over, and sends one message that gets the id again. */
    async function reuseId(packetId: number): Promise<{ seen: number }> {
      const connects = probe.states('connected').length;
      proxy.refuse();
      proxy.cut();
      await probe.until(() => probe.states('disconnected').length > connects);
      const clean = await plainClient(broker.url, { clientId: 'station', clean: true, protocolVersion });
      await clean.endAsync();
      // The subscription of the connection before may lie behind the PUBACK: a message published before the new one is lost.
      const subscriptions = subscriptionsOf(broker.log);
      proxy.resume();
      await probe.connected(connects + 1);
      await eventually('a new subscription', () => subscriptionsOf(broker.log) > subscriptions);
      await publisher.publishAsync('t/1', 'other message', { qos: 1 });
      await probe.until(() => probe.texts.at(-1) === 'other message');
      expect(probe.messages.at(-1)?.packetId).toBe(packetId);
      return { seen: probe.messages.length };
    }
  },
);
