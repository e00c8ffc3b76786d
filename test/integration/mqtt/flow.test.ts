import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
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

describeWith('mosquitto').each([5, 4] as const)('flow and links, protocol version %i', (protocolVersion) => {
  let broker: Mosquitto;
  let proxy: TcpProxy;
  let other: MqttClient;
  let probe: SourceProbe;

  const start = async (over = {}) => {
    const options = { protocolVersion, keepaliveS: 1, receiveMaximum: 5000, ...over };
    probe = await startProbe(broker, proxy, options);
  };
  const pings = () => broker.count('Received PINGREQ from station');

  beforeEach(async () => {
    broker = await Mosquitto.start({ config: ['max_queued_messages 0', 'max_inflight_messages 5000'] });
    proxy = await TcpProxy.start(broker.port);
    other = await plainClient(broker.url);
  });

  afterEach(async () => {
    await probe.source.stop();
    other.end(true);
    await proxy.close();
    await broker.stop();
  });

  test('statement 2: without any acknowledgement for more than three keepalives the connection stays up', async () => {
    await start();
    await publishNumbers(other, 't/1', 1, 50);
    await probe.until(() => probe.messages.length === 50);
    await eventually('four pings', () => pings() >= 4);
    expect(probe.connectivity.map((item) => item.state)).toEqual(['connecting', 'connected', 'subscribed']);
    probe.source.acknowledge(probe.messages);
    await broker.logged('Received PUBACK from station', 50);
  });

  test('statement 4: paused for more than three keepalives: nothing is handed over, pings go on, nothing is lost', async () => {
    await start();
    await publishNumbers(other, 't/1', 1, 3);
    await probe.until(() => probe.messages.length === 3);
    probe.source.pause();
    probe.source.pause();
    const payload = Buffer.alloc(2000, 'x');
    for (let n = 0; n < 2000; n++) other.publish('t/big', payload, { qos: 1 });
    await eventually('five pings', () => pings() >= 5);
    expect(probe.messages).toHaveLength(3);
    expect(probe.states('connected')).toHaveLength(1);
    expect(probe.states('disconnected')).toHaveLength(0);
    probe.source.resume();
    await probe.until(() => probe.messages.length === 2003);
    probe.source.acknowledge(probe.messages);
    const before = pings();
    await eventually('two more pings', () => pings() >= before + 2);
    expect(probe.states('disconnected')).toHaveLength(0);
    expect(new Set(probe.messages.map((message) => message.packetId)).size).toBe(2003);
  });

  test('pausing from within onMessage stops right there', async () => {
    await start();
    const { source } = probe;
    const push = probe.messages.push.bind(probe.messages);
    probe.messages.push = (...messages) => {
      if (probe.messages.length === 4) source.pause();
      return push(...messages);
    };
    await publishNumbers(other, 't/1', 1, 30);
    const before = pings();
    await eventually('another ping', () => pings() > before);
    expect(probe.messages).toHaveLength(5);
    source.resume();
    await probe.until(() => probe.messages.length === 30);
    expect(probe.texts).toEqual(Array.from({ length: 30 }, (_, n) => String(n + 1)));
  });

  test('a pause survives a reconnect', async () => {
    await start();
    probe.source.pause();
    proxy.cut();
    await probe.connected(2);
    await publishNumbers(other, 't/1', 1, 5);
    const before = pings();
    await eventually('another ping', () => pings() > before);
    expect(probe.messages).toHaveLength(0);
    probe.source.resume();
    await probe.until(() => probe.messages.length === 5);
  });

  test('a half-open link is noticed by the keepalive', async () => {
    await start();
    proxy.stall();
    await probe.until(() => probe.states('disconnected').length > 0);
    expect(probe.states('disconnected')[0]?.reason).toMatch(/does not answer pings/);
    proxy.resume();
    await probe.until(() => probe.states('connected').length >= 2);
  });

  test('a broker that hangs is noticed, and its return too', async () => {
    await start({ connectTimeoutMs: 300 });
    broker.signal('SIGSTOP');
    await probe.until(() => probe.states('disconnected').length >= 2);
    expect(probe.states('disconnected')[1]?.reason).toMatch(/did not answer in time/);
    broker.signal('SIGCONT');
    await probe.connected(2);
  });

  test('50 flaps: no more connects than flaps, and each message still comes once', async () => {
    await start({ reconnect: { baseMs: 5, capMs: 20 } });
    for (let flap = 1; flap <= 50; flap++) {
      await probe.connected(flap);
      proxy.cut();
    }
    await probe.connected(51);
    expect(proxy.accepted).toBe(51);
    await broker.logged('SUBACK to station', 2);
    await other.publishAsync('t/1', 'once', { qos: 1 });
    await probe.until(() => probe.texts.includes('once'));
    await probe.source.publish('t/1', 'after', { qos: 1, retain: false });
    await probe.until(() => probe.texts.includes('after'));
    expect(probe.texts).toEqual(['once', 'after']);
  });

  test('two daemons with one client id: reported, and retried only slowly', async () => {
    await start({ reconnect: { baseMs: 5, capMs: 400 } });
    const rival = new SourceProbe(
      mqttOptions(broker.url, { protocolVersion, reconnect: { baseMs: 5, capMs: 400 } }),
    );
    await rival.start();
    await probe.until(() => probe.states('disconnected').some(({ retryInMs }) => retryInMs >= 200));
    const [entry] = probe.logger.find(/same client id/);
    expect(entry?.level).toBe('error');
    expect(entry?.fields['remedy']).toMatch(/client_id/);
    await rival.source.stop();
  });
});

test('MQTT 5: a reason code for a session that was taken over counts at once', async () => {
  const connack = Buffer.from([0x20, 0x03, 0x00, 0x00, 0x00]);
  const takenOver = Buffer.from([0xe0, 0x01, 142]);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(Buffer.concat([connack, takenOver])));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const probe = new SourceProbe(mqttOptions(`mqtt://127.0.0.1:${port}`, { statusTopic: undefined }));
  await probe.start();
  await probe.until(() => probe.states('disconnected').length > 0);
  expect(probe.states('disconnected')[0]?.retryInMs).toBeGreaterThanOrEqual(100);
  const [entry] = probe.logger.find('error');
  expect(entry?.fields).toMatchObject({ kind: 'taken_over' });
  expect(entry?.fields['remedy']).toMatch(/client_id/);
  await probe.source.stop();
  server.close();
});
