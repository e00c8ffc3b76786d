import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { TestAuthority } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { Mosquitto } from '../../support/mosquitto.ts';
import { SourceProbe, mqttOptions, plainClient } from '../../support/mqtt-source.ts';
import { type BrokerScript, ScriptedBroker } from '../../support/scripted-broker.ts';
import { describeWith } from '../../support/tools.ts';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function scripted(script: BrokerScript): Promise<ScriptedBroker> {
  const broker = await ScriptedBroker.start(script);
  closers.push(() => broker.stop());
  return broker;
}

async function mosquitto(...options: Parameters<typeof Mosquitto.start>): Promise<Mosquitto> {
  const broker = await Mosquitto.start(...options);
  closers.push(() => broker.stop());
  return broker;
}

async function connect(...options: Parameters<typeof mqttOptions>): Promise<SourceProbe> {
  const probe = new SourceProbe(mqttOptions(...options));
  closers.push(() => probe.source.stop());
  return probe.start();
}

const filters = Array.from({ length: 20 }, (_, n) => `site/${n}/#`);
const subscribed = (probe: SourceProbe) => probe.states('subscribed').at(-1);

describe('a broker that limits the filters of a SUBSCRIBE', () => {
  test('gets smaller packets after it hung up, with a remedy, and subscribes to all', async () => {
    const broker = await scripted({ subscribe: (all) => (all.length > 8 ? undefined : all.map(() => 1)) });
    const probe = await connect(broker.url, { filters });
    await probe.until(() => subscribed(probe) !== undefined);
    expect(subscribed(probe)).toEqual({ state: 'subscribed', active: 20, refused: 0 });
    expect(broker.of('subscribe').map(({ subscriptions }) => subscriptions.length)).toEqual([
      20, 20, 20, 8, 8, 4,
    ]);
    expect(probe.logger.find(/trying fewer filters/)[0]?.fields).toMatchObject({
      filters: 20,
      next: 8,
      remedy: expect.stringContaining('mqtt.max_subscribe_filters: 8'),
    });
    expect(probe.logger.find(/mqtt: (?:not connected|connection refused)/)[0]?.fields).toMatchObject({
      kind: 'subscribe',
      reason: expect.stringContaining('at a SUBSCRIBE of 20 filters'),
    });
    expect(probe.logger.find(/same client id/)).toEqual([]);
  });

  test('gets no more than the setting from the start', async () => {
    const broker = await scripted({});
    const probe = await connect(broker.url, { filters, maxSubscribeFilters: 8 });
    await probe.until(() => subscribed(probe) !== undefined);
    expect(broker.of('subscribe').map(({ subscriptions }) => subscriptions.length)).toEqual([8, 8, 4]);
  });

  test('one filter that ends the connection is left out, and the others work', async () => {
    const broker = await scripted({
      subscribe: (all) => (all.includes('site/3/#') ? undefined : all.map(() => 1)),
    });
    const probe = await connect(broker.url, { filters });
    await probe.until(() => subscribed(probe) !== undefined);
    expect(subscribed(probe)).toEqual({ state: 'subscribed', active: 19, refused: 1 });
    expect(probe.logger.find(/closes the connection at this filter/)[0]?.fields).toMatchObject({
      filter: 'site/3/#',
      remedy: expect.stringMatching(/access rules.*50/),
    });
  });

  test('one subscription too many for a connection leaves out what does not fit', async () => {
    const wanted = Array.from({ length: 52 }, (_, n) => `t/${n}`);
    const broker = await scripted({
      connack: () => {
        active = 0;
        return {};
      },
      subscribe: (all) => ((active += all.length) > 50 ? undefined : all.map(() => 1)),
    });
    let active = 0;
    const probe = await connect(broker.url, { filters: wanted, maxSubscribeFilters: 8 });
    await probe.until(() => subscribed(probe) !== undefined);
    expect(subscribed(probe)).toEqual({ state: 'subscribed', active: 50, refused: 2 });
  });

  test('a link that breaks while subscribing teaches nothing', async () => {
    const broker = await scripted({
      subscribe: (all) => (broker.connections <= 6 ? 'reset' : all.map(() => 1)),
    });
    const probe = await connect(broker.url, { filters });
    await probe.until(() => subscribed(probe)?.active === 20);
    expect(new Set(broker.of('subscribe').map(({ subscriptions }) => subscriptions.length))).toEqual(
      new Set([20]),
    );
  });

  test('a broker that ends every connection is logged once, with its reason, and not as connected each time', async () => {
    const broker = await scripted({ subscribe: () => undefined });
    const probe = await connect(broker.url, { filters: ['t/#', 'u/#', 'v/#'] });
    await eventually('eight connections', () => broker.connections >= 8);
    const infos = probe.logger.find('info').filter(({ message }) => message === 'mqtt: connected');
    const reasons = probe.logger.find('warn').filter(({ message }) => message === 'mqtt: not connected');
    // A line of connection for each line that says why it ended, and for the present one.
    expect(infos.length).toBeLessThanOrEqual(reasons.length + 1);
    expect(reasons.length).toBeLessThanOrEqual(3);
  });

  test('the packet size that the broker takes bounds a SUBSCRIBE', async () => {
    const broker = await scripted({ connack: () => ({ properties: { maximumPacketSize: 100 } }) });
    const probe = await connect(broker.url, { filters });
    await probe.until(() => subscribed(probe) !== undefined);
    const packets = broker.of('subscribe');
    expect(packets.length).toBeGreaterThan(3);
    for (const { length } of packets) expect(length).toBeLessThanOrEqual(100);
  });
});

describe('capabilities that a CONNACK excludes', () => {
  test('no retained messages: goes on with a will and a status that are not retained, and logs the cost once', async () => {
    const broker = await scripted({
      connack: (attempt) =>
        attempt === 1 ? { reasonCode: 154 } : { properties: { retainAvailable: false } },
    });
    const probe = await connect(broker.url, { statusTopic: 'status/station' });
    await eventually('a PUBLISH', () => broker.of('publish').length > 0);
    expect(broker.of('connect').map(({ will }) => will?.retain)).toEqual([true, false]);
    expect(broker.of('publish')[0]).toMatchObject({ topic: 'status/station', qos: 1, retain: false });
    await probe.source.publish('notify/x', 'y', { qos: 1, retain: true });
    expect(broker.of('publish')[1]).toMatchObject({ topic: 'notify/x', retain: false });
    expect(probe.logger.find(/broker limits apply/)).toMatchObject([
      { fields: { limit: 'retain_available', remedy: expect.stringContaining('status_topic: null') } },
    ]);
  });

  test('QoS 0 only: will and status at QoS 0, and the cost is logged once', async () => {
    const broker = await scripted({
      connack: (attempt) => (attempt === 1 ? { reasonCode: 155 } : { properties: { maximumQoS: 0 } }),
      subscribe: (all) => all.map(() => 0),
    });
    const probe = await connect(broker.url, { statusTopic: 'status/station', filters });
    await probe.until(() => subscribed(probe) !== undefined);
    await eventually('a PUBLISH', () => broker.of('publish').length > 0);
    expect(broker.of('connect').map(({ will }) => will?.qos)).toEqual([1, 0]);
    expect(broker.of('publish')[0]).toMatchObject({ qos: 0 });
    expect(
      probe.logger.find('warn').filter(({ message }) => /QoS 0|limits apply/.test(message)),
    ).toHaveLength(1);
  });

  test.each([
    ['shared', { sharedSubscriptionAvailable: false }, ['$share/g/t/1', 't/2'], 158, /share_group/],
    ['wildcard', { wildcardSubscriptionAvailable: false }, ['t/#', 't/2'], 162, /no \+ or #/],
  ])(
    '%s subscriptions: refused with the remedy and never asked for',
    async (_kind, properties, wanted, code, remedy) => {
      const broker = await scripted({ connack: () => ({ properties }) });
      const probe = await connect(broker.url, { filters: wanted });
      await probe.until(() => subscribed(probe) !== undefined);
      expect(subscribed(probe)).toEqual({ state: 'subscribed', active: 1, refused: 1 });
      expect(
        broker.of('subscribe').flatMap(({ subscriptions }) => subscriptions.map(({ topic }) => topic)),
      ).toEqual(['t/2']);
      expect(probe.logger.find(/refused a subscription/)[0]?.fields).toMatchObject({
        filter: wanted[0],
        code,
        remedy: expect.stringMatching(remedy),
      });
    },
  );

  test('the keep alive of the broker is used, and named', async () => {
    const broker = await scripted({ connack: () => ({ properties: { serverKeepAlive: 1 } }) });
    const probe = await connect(broker.url, { keepaliveS: 3600 });
    await eventually('a PINGREQ', () => broker.of('pingreq').length > 0);
    expect(probe.logger.find(/broker limits apply/)).toMatchObject([
      { fields: { limit: 'server_keep_alive', remedy: 'set mqtt.keepalive: 1s' } },
    ]);
  });
});

describeWith('mosquitto')('mosquitto without retained messages', () => {
  test.each([5, 4] as const)('protocol version %i connects, or says what to set', async (protocolVersion) => {
    const broker = await mosquitto({ config: ['retain_available false'] });
    const status = { protocolVersion, statusTopic: 'status/station' };
    const probe = await connect(broker.url, status);
    if (protocolVersion === 5) await probe.connected();
    else {
      await probe.until(() => probe.states('disconnected').length > 0);
      expect(probe.logger.find(/mqtt: (?:not connected|connection refused)/)[0]?.fields).toMatchObject({
        remedy: expect.stringContaining('mqtt.status_topic: null'),
      });
    }
    const without = await connect(broker.url, { protocolVersion, clientId: 'without' });
    await without.connected();
  });
});

describe('a broker that hangs up at CONNECT', () => {
  test.each([
    [5, /mqtt\.protocol: "3\.1\.1"/],
    [4, /mqtt\.status_topic: null/],
  ] as const)('protocol version %i: the remedy names what to try', async (protocolVersion, remedy) => {
    const broker = await scripted({ connack: () => 'hang-up' });
    const probe = await connect(broker.url, { protocolVersion });
    await probe.until(() => probe.states('disconnected').length > 0);
    expect(probe.logger.find(/mqtt: (?:not connected|connection refused)/)[0]?.fields).toMatchObject({
      kind: 'broker_closed',
      remedy: expect.stringMatching(remedy),
    });
  });
});

describeWith('mosquitto', 'openssl')('TLS to a plain port, and the other way round', () => {
  test('is named for both', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fieldwatch-tls-'));
    closers.push(() => rm(folder, { recursive: true }));
    const server = await (await TestAuthority.create(folder)).issue('server');
    const secure = await mosquitto({
      config: ['listener 0', `certfile ${server.certFile}`, `keyfile ${server.keyFile}`],
    });
    const plain = await mosquitto();
    const toTls = await connect(secure.url, {});
    await toTls.until(() => toTls.states('disconnected').length > 0);
    expect(toTls.logger.find(/mqtt: (?:not connected|connection refused)/)[0]?.fields).toMatchObject({
      remedy: expect.stringContaining('mqtts://'),
    });
    const toPlain = await connect(plain.url.replace('mqtt:', 'mqtts:'), { clientId: 'other' });
    await toPlain.until(() => toPlain.states('disconnected').length > 0);
    expect(toPlain.logger.find(/mqtt: (?:not connected|connection refused)/)[0]?.fields).toMatchObject({
      kind: 'tls',
      remedy: expect.stringContaining('does not seem to speak TLS'),
    });
  });
});

describe('a share group at MQTT 3.1.1', () => {
  const shared = { protocolVersion: 4 as const, filters: ['$share/crew/t/#'] };

  test('is refused with the remedy where the broker takes $share for a topic like any other', async () => {
    const broker = await scripted({ echoes: (topic, filters) => (filters.includes(topic) ? 1 : 0) });
    const probe = await connect(broker.url, shared);
    await probe.until(() => subscribed(probe) !== undefined);
    expect(subscribed(probe)).toEqual({ state: 'subscribed', active: 0, refused: 1 });
    expect(probe.logger.find(/refused a subscription/)[0]?.fields).toMatchObject({
      filter: '$share/crew/t/#',
      remedy: expect.stringContaining('mqtt.share_group'),
    });
  });

  test('is tried, with a warning, where it cannot be found out', async () => {
    const broker = await scripted({ echoes: () => 0 });
    const probe = await connect(broker.url, shared);
    await probe.until(() => subscribed(probe) !== undefined);
    expect(subscribed(probe)).toEqual({ state: 'subscribed', active: 1, refused: 0 });
    expect(probe.logger.find(/3.1.1 not verified/)).toHaveLength(1);
  });

  test('works where the broker has shared subscriptions', async () => {
    const broker = await scripted({
      echoes: (topic, filters) => (filters.some((filter) => filter.endsWith(topic)) ? 1 : 0),
    });
    const probe = await connect(broker.url, shared);
    await probe.until(() => subscribed(probe) !== undefined);
    expect(subscribed(probe)).toEqual({ state: 'subscribed', active: 1, refused: 0 });
    expect(probe.logger.find('warn')).toEqual([]);
  });
});

describe('filters that overlap on a broker that sends a copy for each', () => {
  const overlapping = ['plant/+/temp', 'plant/a/+', 'other/#'];
  const publish = (broker: ScriptedBroker, messageId: number, id?: number, version: 4 | 5 = 5) =>
    broker.send(
      {
        cmd: 'publish',
        ...{ topic: 'plant/a/temp', payload: '21', qos: 1, messageId, dup: false, retain: false },
        ...(id === undefined ? {} : { properties: { subscriptionIdentifier: id } }),
      },
      version,
    );

  test('MQTT 5: each overlapping filter has an identifier, and further copies are marked', async () => {
    const broker = await scripted({});
    const probe = await connect(broker.url, { filters: overlapping });
    await probe.until(() => subscribed(probe) !== undefined);
    const asked = broker
      .of('subscribe')
      .map(({ subscriptions, properties }) => [
        subscriptions.map(({ topic }) => topic).join(),
        properties?.subscriptionIdentifier,
      ]);
    expect(asked).toEqual([
      ['other/#', undefined],
      ['plant/+/temp', 1],
      ['plant/a/+', 2],
    ]);
    [1, 2, 1, 2].forEach((id, index) => publish(broker, index + 1, id));
    await probe.until(() => probe.messages.length === 4);
    expect(probe.messages.map(({ isCopy }) => isCopy === true)).toEqual([false, true, false, true]);
    expect(probe.messages[1]?.receivedAtMs).toBe(probe.messages[0]?.receivedAtMs);
  });

  test('MQTT 3.1.1: it is tried whether the broker sends copies', async () => {
    const broker = await scripted({ echoes: (_topic, filters) => filters.length });
    const probe = await connect(broker.url, { filters: overlapping, protocolVersion: 4 });
    await probe.until(() => subscribed(probe) !== undefined);
    for (const id of [1, 2, 3, 4]) publish(broker, id, undefined, 4);
    await probe.until(() => probe.messages.length === 4);
    expect(probe.messages.map(({ isCopy }) => isCopy === true)).toEqual([false, true, false, true]);
  });
});

describeWith('mosquitto').each([5, 4] as const)(
  'filters that overlap, protocol version %i',
  (protocolVersion) => {
    test.each([true, false])(
      'mosquitto with allow_duplicate_messages %s: one message a publish',
      async (duplicates) => {
        const broker = await mosquitto({ config: [`allow_duplicate_messages ${duplicates}`] });
        const filters = ['plant/+/temp', 'plant/a/+'];
        const probe = await connect(broker.url, { filters, protocolVersion });
        await probe.until(() => subscribed(probe) !== undefined);
        const other = await plainClient(broker.url);
        closers.push(() => other.endAsync(true));
        for (const value of ['21', '21', '22', '21', '21'])
          await other.publishAsync('plant/a/temp', value, { qos: 1 });
        await other.publishAsync('plant/a/last', 'x', { qos: 1 });
        await probe.until(() => probe.texts.includes('x'));
        const own = probe.messages
          .filter(({ isCopy }) => isCopy !== true)
          .map(({ payload }) => Buffer.from(payload).toString());
        expect(own).toEqual(['21', '21', '22', '21', '21', 'x']);
      },
    );
  },
);
