import { type AddressInfo, connect as connectSocket, createServer } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import mqtt from 'mqtt';
import { type EmbeddedBroker, startEmbeddedBroker } from '../../../src/embedded/broker.ts';

const brokers: EmbeddedBroker[] = [];
const clients: mqtt.MqttClient[] = [];

async function start(port = 0): Promise<EmbeddedBroker> {
  const broker = await startEmbeddedBroker({ host: '127.0.0.1', port });
  brokers.push(broker);
  return broker;
}
async function connect(url: string, options: mqtt.IClientOptions = {}): Promise<mqtt.MqttClient> {
  const client = await mqtt.connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0, ...options }, false);
  client.on('error', () => {});
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.end(true);
  await Promise.all(brokers.splice(0).map((broker) => broker.stop()));
});

describe('the embedded broker', () => {
  test('carries QoS 1 messages, and keeps them for a persistent session that is away', async () => {
    const { url } = await start();
    const session = { clientId: 'a-client-id-longer-than-twenty-three-characters', clean: false };
    const away = await connect(url, session);
    await away.subscribeAsync('t/#', { qos: 1 });
    await away.endAsync();
    const sender = await connect(url);
    await sender.publishAsync('t/1', 'one', { qos: 1 });
    const received = await new Promise<string>((resolve) => {
      const back = mqtt.connect(url, { ...session, protocolVersion: 4, reconnectPeriod: 0 });
      clients.push(back);
      back.once('message', (topic, payload) => resolve(`${topic} ${payload.toString()}`));
    });
    expect(received).toBe('t/1 one');
  });

  test('refuses MQTT 5', async () => {
    const { url } = await start();
    await expect(connect(url, { protocolVersion: 5 })).rejects.toThrow();
  });

  test('disconnects a client that sends more than 1 MiB', async () => {
    const { url } = await start();
    const listener = await connect(url);
    await listener.subscribeAsync('t', { qos: 1 });
    const first = new Promise<number>((resolve) =>
      listener.once('message', (_, payload) => resolve(payload.length)),
    );
    const client = await connect(url);
    const closed = new Promise<void>((resolve) => client.once('close', resolve));
    client.publish('t', Buffer.alloc(1024 * 1024 + 1), { qos: 1 });
    await closed;
    expect(client.connected).toBe(false);
    // The others are served on, and did not get it.
    await (await connect(url)).publishAsync('t', 'small', { qos: 1 });
    expect(await first).toBe('small'.length);
  });

  test('ends a connection at the announcement of a packet that is too large, and bounds what is unfinished', async () => {
    const { port } = await start();
    const send = (...parts: Buffer[]) => {
      const socket = connectSocket(port, '127.0.0.1');
      socket.on('error', () => {});
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      for (const part of parts) socket.write(part);
      socket.resume();
      return { socket, closed };
    };
    const hello = Buffer.from('100c00044d5154540402003c0000', 'hex');
    // 250 MB, of which nothing comes.
    await send(hello, Buffer.from([0x30, 0x80, 0xe5, 0x9a, 0x77])).closed;
    // 1 MiB each, all but the last byte: the 65th is too much.
    const header = Buffer.from([0x30, 0xff, 0xff, 0x3f]);
    const open = Array.from({ length: 70 }, () => send(hello, header, Buffer.alloc(2 ** 20 - 2)));
    await Promise.race(open.map(({ closed }) => closed));
    for (const { socket } of open) socket.destroy();
  });

  test('stops with clients connected, which it disconnects, twice if asked', async () => {
    const broker = await start();
    const connected = [await connect(broker.url), await connect(broker.url)];
    const closed = connected.map(
      (client) => new Promise<void>((resolve) => client.once('close', () => resolve())),
    );
    await Promise.all([broker.stop(), broker.stop()]);
    await Promise.all(closed);
    expect(connected.map((client) => client.connected)).toEqual([false, false]);
  });

  test('names a port that is taken, and the way out', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(start(port)).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(String(port)),
      remedy: expect.stringContaining('embedded.mqtt_port'),
    });
    taken.close();
  });
});
