import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { probeBroker } from '../../../src/adapters/mqtt/probe.ts';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import { type Certificate, TestAuthority } from '../../support/certificates.ts';
import { Mosquitto } from '../../support/mosquitto.ts';
import { SourceProbe, mqttOptions, plainClient } from '../../support/mqtt-source.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { describeWith } from '../../support/tools.ts';
import { WebSocketBridge } from '../../support/ws-bridge.ts';

const clock = createSystemClock();
const probes: SourceProbe[] = [];
const closers: (() => Promise<void>)[] = [];

function probeWith(options: Parameters<typeof mqttOptions>[1], url: string): SourceProbe {
  const probe = new SourceProbe(mqttOptions(url, options));
  probes.push(probe);
  return probe;
}

afterEach(async () => {
  await Promise.all(probes.splice(0).map((probe) => probe.source.stop()));
  for (const close of closers.splice(0).reverse()) await close();
});

async function brokerWith(options: Parameters<typeof Mosquitto.start>[0]): Promise<Mosquitto> {
  const broker = await Mosquitto.start(options);
  closers.push(() => broker.stop());
  return broker;
}

describeWith('mosquitto', 'mosquitto_passwd', 'openssl').each([5, 4] as const)(
  'user and password, protocol version %i',
  (protocolVersion) => {
    test('wrong ones are reported once, retried slowly, and a provider is called each time', async () => {
      const broker = await brokerWith({ users: { meter: 'right' } });
      let asked = 0;
      const credentials = () =>
        Promise.resolve({ username: 'meter', password: ++asked < 4 ? 'wrong' : 'right' });
      const probe = await probeWith({ protocolVersion, credentials }, broker.url).start();
      await probe.connected();
      expect(asked).toBe(4);
      expect(probe.states('disconnected').map(({ retryInMs }) => retryInMs >= 100)).toEqual([
        true,
        true,
        true,
      ]);
      expect(probe.logger.find('error')).toHaveLength(1);
      expect(probe.logger.find('error')[0]?.fields).toMatchObject({ kind: 'auth' });
      expect(JSON.stringify(probe.logger.entries)).not.toMatch(/wrong|right/);
    });

    test('a provider that fails is a reason to try again', async () => {
      const broker = await brokerWith({ users: { meter: 'right' } });
      let asked = 0;
      const credentials = () =>
        ++asked === 1
          ? Promise.reject(new Error('no such file'))
          : Promise.resolve({ username: 'meter', password: 'right' });
      const probe = await probeWith({ protocolVersion, credentials }, broker.url).start();
      await probe.connected();
      expect(probe.states('disconnected')[0]?.reason).toBe('no such file');
    });
  },
);

describeWith(
  'mosquitto',
  'mosquitto_passwd',
  'openssl',
)('TLS', () => {
  let dir: string;
  let authority: TestAuthority;
  let server: Certificate;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'fieldwatch-tls-'));
    authority = await TestAuthority.create(dir);
    server = await authority.issue('server', 20);
  });

  afterAll(async () => {
    await rm(dir, { recursive: true });
  });

  const tlsBroker = (caFile: string) =>
    brokerWith({
      config: [
        'listener 0',
        `cafile ${caFile}`,
        `certfile ${server.certFile}`,
        `keyfile ${server.keyFile}`,
        'require_certificate true',
        'use_identity_as_username true',
      ],
    });

  test('statement 20: a client certificate is presented, and rotated files count from the next connection on', async () => {
    const broker = await tlsBroker(authority.caFile);
    const foreign = await (await TestAuthority.create(dir, 'foreign')).issue('intruder');
    const mine = await authority.issue('meter', 9);
    const tls = {
      caFile: authority.caFile,
      certFile: join(dir, 'current.pem'),
      keyFile: join(dir, 'current.key'),
    };
    const use = async ({ certFile, keyFile }: Certificate) => {
      await copyFile(certFile, tls.certFile);
      await copyFile(keyFile, tls.keyFile);
    };
    const proxy = await TcpProxy.start(broker.port);
    closers.push(() => proxy.close());
    const url = `mqtts://127.0.0.1:${proxy.port}`;

    await use(foreign);
    const probe = await probeWith({ tls }, url).start();
    await probe.until(() => probe.states('disconnected').length > 0);
    expect(probe.states('connected')).toHaveLength(0);
    await use(mine);
    await probe.connected();
    await broker.logged(/as station \(p5, c0, k30, u'meter'\)/);
    await use(await authority.issue('meter-rotated'));
    proxy.cut();
    await probe.connected(2);
    await broker.logged(/as station \(p5, c0, k30, u'meter-rotated'\)/);

    await use(mine);
    const facts = await probeBroker(mqttOptions(url, { tls }), url, clock);
    expect(facts).toMatchObject({ reachable: true, protocolVersion: 5, failure: undefined });
    expect(facts.tls).toMatchObject({ subject: 'CN=server', certificateDaysLeft: 19 });
    expect(facts.clientCertificateDaysLeft).toBe(8);
  });

  test.each([
    ['a server from an unknown authority', {}, /SELF_SIGNED|UNABLE_TO/, /mqtt\.tls\.ca_file/],
    [
      'a server with another name',
      { servername: 'elsewhere.example' },
      /ERR_TLS_CERT_ALTNAME_INVALID/,
      /mqtt\.tls\.servername/,
    ],
  ])('refuses %s, and names the setting', async (name, over, reason, remedy) => {
    const broker = await tlsBroker(authority.caFile);
    const mine = await authority.issue('meter');
    const tls = { ...mine, ...(name.includes('unknown') ? {} : { caFile: authority.caFile }), ...over };
    const probe = await probeWith({ tls }, `mqtts://127.0.0.1:${broker.port}`).start();
    await probe.until(() => probe.states('disconnected').length > 0);
    expect(probe.states('disconnected')[0]?.reason).toMatch(reason);
    expect(probe.logger.find('warn')[0]?.fields).toMatchObject({ kind: 'tls' });
    expect(probe.logger.find('warn')[0]?.fields['remedy']).toMatch(remedy);
  });

  test('a missing or unusable key file is a reason to try again, not a crash', async () => {
    const broker = await tlsBroker(authority.caFile);
    const mine = await authority.issue('meter');
    for (const keyFile of [join(dir, 'missing.key'), mine.certFile]) {
      const tls = { caFile: authority.caFile, certFile: mine.certFile, keyFile };
      const probe = await probeWith({ tls }, `mqtts://127.0.0.1:${broker.port}`).start();
      await probe.until(() => probe.states('disconnected').length > 1);
      expect(probe.logger.find('warn')[0]?.fields).toMatchObject({ kind: 'setup' });
    }
  });

  test.each(['ws', 'wss'] as const)('%s carries the same session', async (scheme) => {
    const broker = await brokerWith({});
    const bridge = await WebSocketBridge.start(broker.port, scheme === 'wss' ? server : undefined);
    closers.push(() => bridge.close());
    const url = `${scheme}://127.0.0.1:${bridge.port}/mqtt?x=1`;
    const tls = scheme === 'wss' ? { caFile: authority.caFile } : undefined;
    const probe = await probeWith({ tls }, url).start();
    await probe.connected();
    await broker.logged(/SUBACK to station/);
    const other = await plainClient(broker.url);
    for (let n = 0; n < 100; n++) await other.publishAsync('t/1', String(n), { qos: 1 });
    await probe.until(() => probe.messages.length === 100);
    probe.source.acknowledge(probe.messages);
    await broker.logged('Received PUBACK from station', 100);
    expect(bridge.paths).toEqual(['/mqtt?x=1']);
    expect(await probeBroker(mqttOptions(url, { tls }), url, clock)).toMatchObject({ reachable: true });
    other.end(true);
  });
});

describeWith(
  'mosquitto',
  'mosquitto_passwd',
  'openssl',
)('the probe', () => {
  test('an open broker', async () => {
    const broker = await brokerWith({ config: ['max_keepalive 20', 'retain_available false'] });
    const facts = await probeBroker(mqttOptions(broker.url), broker.url, clock);
    expect(facts).toMatchObject({
      reachable: true,
      protocolVersion: 5,
      failure: undefined,
      authFailed: false,
      tls: undefined,
      server: {
        receiveMaximum: 20,
        retainAvailable: false,
        sharedSubscriptionAvailable: true,
        wildcardSubscriptionAvailable: true,
        keepaliveS: 20,
      },
    });
    expect(broker.log).not.toMatch(/as station \(/);
  });

  test('wrong credentials', async () => {
    const broker = await brokerWith({ users: { meter: 'right' } });
    const credentials = { username: 'meter', password: 'wrong' };
    const facts = await probeBroker(mqttOptions(broker.url, { credentials }), broker.url, clock);
    expect(facts).toMatchObject({ reachable: true, protocolVersion: undefined, authFailed: true });
  });

  test('no server there, and one that never answers', async () => {
    const broker = await brokerWith({});
    const proxy = await TcpProxy.start(broker.port);
    closers.push(() => proxy.close());
    proxy.stall();
    const url = `mqtt://127.0.0.1:${proxy.port}`;
    expect(await probeBroker(mqttOptions(url), url, clock, 200)).toMatchObject({
      reachable: true,
      failure: { kind: 'timeout' },
    });
    await proxy.close();
    expect(await probeBroker(mqttOptions(url), url, clock, 2000)).toMatchObject({
      reachable: false,
      failure: { kind: 'network' },
    });
  });
});
