import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import { createFileSubscriptionMemory } from '../../../src/adapters/mqtt/subscription-memory.ts';
import { eventually } from '../../support/eventually.ts';
import { Mosquitto } from '../../support/mosquitto.ts';
import { SourceProbe, mqttOptions, plainClient } from '../../support/mqtt-source.ts';
import { describeWith } from '../../support/tools.ts';

describeWith('mosquitto').each([5, 4] as const)('subscriptions, protocol version %i', (protocolVersion) => {
  let broker: Mosquitto;
  let other: MqttClient;
  let dir: string;
  const probes: SourceProbe[] = [];

  const start = async (filters: string[], clientId = 'station') => {
    const memory = createFileSubscriptionMemory(join(dir, `${clientId}.json`));
    const probe = new SourceProbe(mqttOptions(broker.url, { protocolVersion, filters, memory, clientId }));
    probes.push(probe);
    await probe.start();
    await probe.connected();
    return probe;
  };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'fieldwatch-subscriptions-'));
    broker = await Mosquitto.start();
    other = await plainClient(broker.url);
  });

  afterEach(async () => {
    await Promise.all(probes.splice(0).map((probe) => probe.source.stop()));
    other.end(true);
    await broker.stop();
    await rm(dir, { recursive: true });
  });

  test('statement 10: a filter that left the configuration while the daemon was down is unsubscribed', async () => {
    const first = await start(['old/#', 'kept/#']);
    await broker.logged(/SUBACK to station/);
    await first.source.stop();
    const second = await start(['kept/#', 'new/#']);
    await broker.logged(/Received UNSUBSCRIBE from station\s+\d+: \s*old\/#/);
    await broker.logged(/station 1 new\/#/);
    for (const topic of ['old/1', 'kept/1', 'new/1']) await other.publishAsync(topic, topic, { qos: 1 });
    await second.until(() => second.texts.includes('new/1'));
    expect(second.texts).toEqual(['kept/1', 'new/1']);
    const memory = createFileSubscriptionMemory(join(dir, 'station.json'));
    expect(await memory.load()).toEqual(['kept/#', 'new/#']);
  });

  test('resubscribe takes effect on the open connection, and only the difference is sent', async () => {
    const probe = await start(['a/#', 'b/#']);
    await broker.logged(/SUBACK to station/);
    await probe.source.resubscribe(['b/#', 'c/#']);
    for (const topic of ['a/1', 'b/1', 'c/1']) await other.publishAsync(topic, topic, { qos: 1 });
    await probe.until(() => probe.texts.includes('c/1'));
    expect(probe.texts).toEqual(['b/1', 'c/1']);
    expect(broker.log.match(/station 1 b\/#/g)).toHaveLength(1);
  });

  test('a message that matches no configured filter any more is still handed over', async () => {
    const first = await start(['old/#']);
    await broker.logged(/SUBACK to station/);
    await first.source.stop();
    await other.publishAsync('old/1', 'queued', { qos: 1 });
    const second = await start(['new/#']);
    await second.until(() => second.texts.includes('queued'));
  });

  test('two daemons of one shared group divide the messages', async () => {
    const shared = ['$share/crew/t/#'];
    const [a, b] = [await start(shared, 'one'), await start(shared, 'two')];
    // At MQTT 3.1.1 a trial with a client id of its own comes first.
    await broker.logged(/SUBACK to one\n/);
    await broker.logged(/SUBACK to two\n/);
    for (let n = 1; n <= 40; n++) await other.publishAsync('t/1', String(n), { qos: 1 });
    await eventually('all 40 messages', () => a.messages.length + b.messages.length === 40);
    expect(a.messages.length).toBeGreaterThan(0);
    expect(b.messages.length).toBeGreaterThan(0);
    const all = [...a.texts, ...b.texts].map(Number).sort((x, y) => x - y);
    expect(all).toEqual(Array.from({ length: 40 }, (_, n) => n + 1));
  });

  test('a daemon without a configured filter connects all the same', async () => {
    const probe = await start([]);
    await probe.source.resubscribe(['t/#']);
    await other.publishAsync('t/1', 'x', { qos: 1 });
    await probe.until(() => probe.texts.includes('x'));
  });
});

describeWith('mosquitto').each([5, 4] as const)(
  'refused subscriptions, protocol version %i',
  (protocolVersion) => {
    let broker: Mosquitto;
    let probe: SourceProbe;

    afterEach(async () => {
      await probe.source.stop();
      await broker.stop();
    });

    test('statement 10: a refusal is logged, counted and tried again until the broker allows it', async () => {
      broker = await Mosquitto.start({
        config: [`plugin ${await dynamicSecurity()}`, 'plugin_opt_config_file $DIR/security.json'],
        files: { 'security.json': JSON.stringify(security) },
      });
      probe = new SourceProbe(mqttOptions(broker.url, { protocolVersion, filters: ['open/#', 'secret/#'] }));
      await probe.start();
      await eventually(
        'a failed subscription',
        () => probe.metrics.values.get('fieldwatch_mqtt_subscriptions_failed') === 1,
      );
      expect(probe.logger.find(/refused a subscription/).map(({ fields }) => fields)).toMatchObject([
        { filter: 'secret/#', code: protocolVersion === 5 ? 135 : 128 },
      ]);
      const other = await plainClient(broker.url, { protocolVersion: 4 });
      await other.publishAsync('open/1', 'open', { qos: 1 });
      await probe.until(() => probe.texts.includes('open'));
      // Tried again meanwhile, and not logged again.
      await broker.logged('Sending SUBACK to station', 3);
      expect(probe.logger.find(/refused a subscription/)).toHaveLength(1);
      expect(probe.states('subscribed')).toEqual([{ state: 'subscribed', active: 1, refused: 1 }]);

      const allow = {
        command: 'removeRoleACL',
        rolename: 'limited',
        acltype: 'subscribePattern',
        topic: 'secret/#',
      };
      // The plugin throws out every client whose role it changed, this publisher too: no answer to wait for.
      other.publish('$CONTROL/dynamic-security/v1', JSON.stringify({ commands: [allow] }), { qos: 1 });
      await eventually(
        'no failed subscription',
        () => probe.metrics.values.get('fieldwatch_mqtt_subscriptions_failed') === 0,
      );
      expect(probe.logger.find(/is accepted now/)).toHaveLength(1);
      other.end(true);
    });
  },
);

const security = {
  defaultACLAccess: {
    publishClientSend: true,
    publishClientReceive: true,
    subscribe: true,
    unsubscribe: true,
  },
  groups: [{ groupname: 'anonymous', roles: [{ rolename: 'limited' }] }],
  anonymousGroup: 'anonymous',
  roles: [
    {
      rolename: 'limited',
      acls: [
        { acltype: 'subscribePattern', topic: 'secret/#', allow: false },
        { acltype: 'publishClientSend', topic: '$CONTROL/#', allow: true },
      ],
    },
  ],
};

/** mosquitto's file ACLs never refuse a SUBSCRIBE; its dynamic security plugin does. It comes with the broker. */
async function dynamicSecurity(): Promise<string> {
  const name = 'mosquitto_dynamic_security.so';
  for (const folder of ['/usr/lib', '/usr/local/lib']) {
    for (const entry of ['.', ...(await list(folder))]) {
      if ((await list(join(folder, entry))).includes(name)) return join(folder, entry, name);
    }
  }
  throw new Error(`${name} not found: it belongs to the mosquitto package`);
}

function list(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
