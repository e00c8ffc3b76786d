import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import mqtt from 'mqtt';
import pg from 'pg';
import { TestAuthority } from '../support/certificates.ts';
import { Daemon } from '../support/daemon.ts';
import { openTestDatabase } from '../support/embedded-db.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { Mosquitto } from '../support/mosquitto.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { describeReal } from '../support/server-db.ts';
import { proxyTo } from '../support/tcp-proxy.ts';
import { describeWith } from '../support/tools.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
const opened = async <T>(made: Promise<T>, close: (one: T) => Promise<unknown>): Promise<T> => {
  const one = await made;
  closers.push(() => close(one));
  return one;
};
const prepared = (config: object) => opened(Daemon.prepare(JSON.stringify(config)), (one) => one.remove());

const ROUTES = { routes: [{ topic: 'sensors/{device}', codec: 'json' }], scheduler: { enabled: false } };

describeWith(
  'mosquitto',
  'mosquitto_passwd',
  'openssl',
)('a broker with TLS and a password', () => {
  test('readings reach a database that asks for a password, and readiness reports a database that hangs', async () => {
    const dir = await opened(mkdtemp(join(tmpdir(), 'fieldwatch-production-')), (one) =>
      rm(one, { recursive: true }),
    );
    const authority = await TestAuthority.create(dir);
    const { certFile, keyFile } = await authority.issue('broker');
    const tls = ['listener 0', `certfile ${certFile}`, `keyfile ${keyFile}`];
    const users = { fieldwatch: 'b-s3cret: %@', meter: 'm' };
    const broker = await opened(Mosquitto.start({ config: tls, users }), (one) => one.stop());
    const database = await opened(openTestDatabase(), (one) => one.close());
    const { proxy, url } = await opened(proxyTo(database.url), (one) => one.proxy.close());
    await writeFile(join(dir, 'broker-password'), `${users.fieldwatch}\n`);
    const daemon = await prepared({
      ...ROUTES,
      mqtt: {
        url: `mqtts://127.0.0.1:${broker.port}`,
        username: 'fieldwatch',
        password_file: join(dir, 'broker-password'),
        tls: { ca_file: authority.caFile },
      },
      database: { url },
      http: { port: 0 },
    });
    await daemon.launch();
    const publisher = await opened(
      mqtt.connectAsync(`mqtts://127.0.0.1:${broker.port}`, {
        ...{ username: 'meter', password: users.meter },
        ca: await readFile(authority.caFile),
      }),
      (one) => one.endAsync(true),
    );
    const publish = (device: string, n: number) =>
      publisher.publishAsync(`sensors/${device}`, JSON.stringify({ temperature: n }), { qos: 1 });
    const db = new pg.Pool({ connectionString: database.url, max: 1 });
    closers.push(() => db.end());
    const stored = async () => (await db.query('SELECT FROM sensor_readings')).rowCount;
    for (let n = 0; n < 20; n++) await publish(`d${n % 4}`, n);
    await eventually('stored', async () => (await stored()) === 20);

    // Nothing flows any more, and the database hangs.
    expect(JSON.parse((await daemon.get('/readyz')).text)).toMatchObject({ status: 'ok' });
    proxy.stall();
    const sinceMs = performance.now();
    await eventually('readiness reports it', async () => (await daemon.get('/readyz')).text.includes('DB_'));
    expect(performance.now() - sinceMs).toBeLessThan(15_000);
    proxy.resume();
    await eventually('readiness is back', async () => !(await daemon.get('/readyz')).text.includes('DB_'));
    await publish('d1', 99);
    await eventually('stored', async () => (await stored()) === 21);
    expect(await daemon.end()).toBe(0);
  });
});

describeWith('initdb')('a first start', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start({ hba: ['host all banned 127.0.0.1/32 reject'] });
    await server.sql(`CREATE ROLE banned LOGIN PASSWORD 'x'`);
  }, 60_000);
  afterAll(() => server.stop());

  const started = async (url: string, spool = true) => {
    const daemon = await prepared({
      ...ROUTES,
      database: { url },
      spool: { enabled: spool },
      embedded: { mqtt_port: await freePort() },
      http: { enabled: false },
    });
    daemon.spawn();
    return daemon;
  };

  test.each([
    ['a wrong password', true, { password: 'wrong' }],
    ['a wrong password, and no spool', false, { password: 'wrong' }],
    ['no password', true, { password: '' }],
    ['a role that is rejected', true, { user: 'banned', password: 'x' }],
  ])(
    'with %s ends with its code and remedy, and with an exit code that is restarted',
    async (_, spool, login) => {
      const daemon = await started(server.url(login), spool);
      expect(await daemon.ended()).toBe(1);
      const said = daemon.log.map(({ msg }) => msg).join('\n');
      expect(said).toContain('DB_AUTH');
      expect(said).toContain('remedy: ');
      expect(said).not.toContain('wrong');
    },
  );

  test('without its database waits for it, and names what is missing', async () => {
    const daemon = await started(server.url({ database: 'renamed' }));
    const line = await daemon.logged(({ code }) => code === 'DB_NO_DATABASE');
    expect(line['remedy']).toContain('Create the database');
    await daemon.logged(({ msg }) => msg === 'ready');
  });
});

describeReal('a link that is half open in the middle of a transaction', () => {
  test('the daemon writes again within a minute, though the server still holds the locks of the killed one', async () => {
    const broker = await opened(Mosquitto.start({ config: ['max_queued_messages 0'] }), (one) => one.stop());
    const database = await opened(openTestDatabase(), (one) => one.close());
    const { proxy, url } = await opened(proxyTo(database.url), (one) => one.proxy.close());
    const daemon = await prepared({
      ...ROUTES,
      mqtt: { url: broker.url },
      database: { url },
      alerts: { metrics: { temperature: { max: 50 } } },
      http: { enabled: false },
    });
    await daemon.launch();
    const publisher = await opened(mqtt.connectAsync(broker.url), (one) => one.endAsync(true));
    const publish = (n: number, temperature: number) =>
      publisher.publishAsync('sensors/one', JSON.stringify({ temperature, n }), { qos: 1 });
    const db = new pg.Pool({ connectionString: database.url, max: 1 });
    closers.push(() => db.end());
    await publish(0, 60);
    await eventually('raised', async () => (await db.query('SELECT FROM sensor_alerts')).rowCount === 1);

    // The transaction stops at a lock of ours; then its link is dead, and it keeps what it has locked.
    const blocker = await db.connect();
    await blocker.query('BEGIN; LOCK TABLE alert_outbox IN ACCESS EXCLUSIVE MODE');
    await publish(1, 10);
    const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
    const looker = new pg.Client({ connectionString: database.url });
    await looker.connect();
    await eventually('it waits', async () => ((await looker.query(waiting)).rowCount ?? 0) > 0);
    await looker.end();
    proxy.strand();
    await blocker.query('ROLLBACK');
    blocker.release();
    const sinceMs = performance.now();
    await publish(2, 70);
    await eventually('stored', async () => (await db.query('SELECT FROM sensor_readings')).rowCount === 3);
    const tookMs = performance.now() - sinceMs;
    expect(tookMs).toBeLessThan(60_000);
    process.stderr.write(`half-open link: written again after ${Math.round(tookMs)} ms\n`);
  });
});
