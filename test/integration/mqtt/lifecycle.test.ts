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

const status = 'fieldwatch/station/status';

describeWith('mosquitto').each([5, 4] as const)(
  'life of a connection, protocol version %i',
  (protocolVersion) => {
    let broker: Mosquitto;
    let proxy: TcpProxy;
    let other: MqttClient;
    let probe: SourceProbe;
    let statuses: string[];

    const start = async (over = {}) => {
      probe = await startProbe(broker, proxy, { protocolVersion, statusTopic: status, ...over });
    };

    beforeEach(async () => {
      broker = await Mosquitto.start({ persistence: true, config: ['max_queued_messages 0'] });
      proxy = await TcpProxy.start(broker.port);
      other = await plainClient(broker.url);
      statuses = [];
      other.on('message', (topic, payload, packet) => {
        if (topic === status) statuses.push(`${payload.toString()}${packet.retain ? ' retained' : ''}`);
      });
    });

    afterEach(async () => {
      await probe.source.stop();
      other.end(true);
      await proxy.close();
      await broker.stop();
    });

    test('the status is online while connected and offline after a stop, retained', async () => {
      await other.subscribeAsync(status, { qos: 1, rap: true });
      await start();
      await eventually('the first status', () => statuses.length === 1);
      await probe.source.stop();
      await eventually('the second status', () => statuses.length === 2);
      expect(statuses).toEqual(
        protocolVersion === 5 ? ['online retained', 'offline retained'] : expect.anything(),
      );
      await other.unsubscribeAsync(status);
      await other.subscribeAsync(status, { qos: 1 });
      await eventually('the third status', () => statuses.length === 3);
      expect(statuses[2]).toBe('offline retained');
    });

    test('the will says offline when the connection breaks', async () => {
      await start();
      await other.subscribeAsync(status, { qos: 1 });
      await eventually('a retained status', () => statuses.includes('online retained'));
      proxy.refuse();
      proxy.cut();
      await eventually('offline', () => statuses.at(-1) === 'offline');
      proxy.resume();
      await eventually('online', () => statuses.at(-1) === 'online');
    });

    test('a broker that is killed and comes back with its persistence costs nothing', async () => {
      await start();
      await publishNumbers(other, 't/1', 1, 20);
      await probe.until(() => probe.messages.length === 20);
      probe.source.acknowledge(probe.messages.slice(0, 5));
      // Only what the broker has on disk can survive its SIGKILL; 'autosave_on_changes' saves every change.
      await broker.logged('Received PUBACK from station', 5);
      broker.signal('SIGUSR1');
      await broker.logged(/Saving in-memory database[^]*Received PINGREQ|Saving in-memory database/);
      await plainClient(broker.url).then((client) => client.endAsync());
      await broker.kill('SIGKILL');
      await probe.until(() => probe.states('disconnected').length > 0);
      await broker.launch();
      await probe.connected(2);
      expect(probe.states('connected')[1]?.sessionPresent).toBe(true);
      await probe.until(() => probe.messages.length >= 35);
      expect(probe.texts.slice(20)).toEqual(Array.from({ length: 15 }, (_, n) => String(n + 6)));
      expect(probe.logger.find(/session lost/)).toHaveLength(0);
    });

    test('a session that the broker lost is reported', async () => {
      await start();
      proxy.refuse();
      proxy.cut();
      await probe.until(() => probe.states('disconnected').length > 0);
      const clean = await plainClient(broker.url, { clientId: 'station', clean: true, protocolVersion });
      await clean.endAsync();
      proxy.resume();
      await probe.connected(2);
      expect(probe.states('connected')[1]?.sessionPresent).toBe(false);
      expect(probe.logger.find(/session lost/)).toHaveLength(1);
      // Subscribed again, though the client had done so before.
      await broker.logged(/SUBACK to station[^]*SUBACK to station/);
      await other.publishAsync('t/1', 'again', { qos: 1 });
      await probe.until(() => probe.texts.includes('again'));
    });

    test('after stopReceiving nothing is handed over, acknowledgements still go out, the rest comes again', async () => {
      await start();
      await publishNumbers(other, 't/1', 1, 10);
      await probe.until(() => probe.messages.length === 10);
      await probe.source.stopReceiving();
      await publishNumbers(other, 't/1', 11, 15);
      await broker.logged(/Sending PUBLISH to station \(d0, q1, r0, m15,/);
      probe.source.acknowledge(probe.messages);
      await probe.source.stop();
      expect(probe.messages).toHaveLength(10);
      expect(broker.count('Received PUBACK from station')).toBe(10);

      const before = probe;
      await start();
      await probe.until(() => probe.messages.length === 5);
      expect(probe.texts).toEqual(['11', '12', '13', '14', '15']);
      await before.source.stop();
    });

    test('stop is idempotent, also twice at once, and while the connection is lost', async () => {
      await start();
      await publishNumbers(other, 't/1', 1, 3);
      await probe.until(() => probe.messages.length === 3);
      proxy.stall();
      // The link stays dead: a stop that waited for an answer would not come back.
      await Promise.all([probe.source.stop(), probe.source.stop()]);
      await probe.source.stop();
      expect(probe.states('connected')).toHaveLength(1);
    });

    test('stop works before any connection came about', async () => {
      proxy.refuse();
      probe = new SourceProbe(mqttOptions(`mqtt://127.0.0.1:${proxy.port}`, { protocolVersion }));
      await probe.start();
      await probe.until(() => probe.states('disconnected').length > 0);
      await probe.source.stop();
      const attempts = probe.states('connecting').length;
      const refused = proxy.refused;
      expect(attempts).toBeGreaterThan(0);
      await plainClient(broker.url).then((client) => client.endAsync());
      expect(proxy.refused).toBe(refused);
    });

    test('a clean stop sends no will and keeps the session', async () => {
      await start();
      await probe.source.stop();
      await broker.logged(/Received DISCONNECT from station/);
      await other.publishAsync('t/1', 'while away', { qos: 1 });
      await start();
      expect(probe.states('connected')[0]?.sessionPresent).toBe(true);
      await probe.until(() => probe.texts.includes('while away'));
    });
  },
);

test('what arrives carries topic, bytes, retain flag and, in MQTT 5, the content type', async () => {
  const broker = await Mosquitto.start();
  const other = await plainClient(broker.url);
  await other.publishAsync('t/retained', 'kept', { qos: 1, retain: true });
  const probe = await new SourceProbe(mqttOptions(broker.url)).start();
  await probe.until(() => probe.messages.length === 1);
  const properties = { contentType: 'application/json' };
  await other.publishAsync('t/live', Buffer.from([0, 255]), { qos: 0, properties });
  await probe.until(() => probe.messages.length === 2);
  expect(probe.messages[0]).toMatchObject({ topic: 't/retained', retain: true, qos: 1, dup: false });
  expect(probe.messages[1]).toMatchObject({ topic: 't/live', retain: false, qos: 0, packetId: 0 });
  expect(probe.messages[1]?.contentType).toBe('application/json');
  expect([...(probe.messages[1]?.payload ?? [])]).toEqual([0, 255]);
  probe.source.acknowledge(probe.messages);
  expect(probe.metrics.values.get('fieldwatch_mqtt_acks_sent_total')).toBe(1);
  await probe.source.stop();
  other.end(true);
  await broker.stop();
});
