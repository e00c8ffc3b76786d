import { once } from 'node:events';
import { type AddressInfo, type Server, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import pg from 'pg';
import { Daemon, type LogLine } from '../support/daemon.ts';
import { type TestDatabase, openTestDatabase } from '../support/embedded-db.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { Mosquitto } from '../support/mosquitto.ts';
import { publishNumbered } from '../support/publish.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { describeWith } from '../support/tools.ts';

const [FIRST, SECOND, THIRD] = [2000, 500, 300];
const ALL = FIRST + SECOND + THIRD;
const HOUR_MS = 3_600_000;

describeWith('mosquitto').each([
  ['alone', 'keepalive: 60s'],
  ['in a share group', 'share_group: far'],
])('statement 18: started while the database is away, %s', (_, mqttSetting) => {
  let database: TestDatabase;
  let broker: Mosquitto;
  let link: TcpProxy | undefined;
  let db: pg.Client;
  let daemon: Daemon;
  let publisher: MqttClient;
  let http: number;
  let port: number;
  const baseMs = Date.now() - HOUR_MS;

  const config = (databaseUrl: string) => `
mqtt: { url: "${broker.url}", client_id: cold-test, ${mqttSetting} }
database: { url: "${databaseUrl}", connect_timeout: 2s }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json, extras: true }]
sensors: { declare: { hall: { location: hall } } }
# Not history: of an alert of history that is still open there is a second line after a minute.
alerts: { metrics: { humidity: { max: 80, hysteresis: 1 } }, backfill_after: 3h }
ingest: { retry: { min: 50ms, max: 500ms } }
scheduler: { enabled: false }
http: { port: ${http} }
`;

  beforeAll(async () => {
    // Nothing is migrated: it is the first start ever.
    database = await openTestDatabase();
    broker = await Mosquitto.start({ config: ['max_queued_messages 0'] });
    [http, port] = [await freePort(), await freePort()];
    const url = new URL(database.url);
    url.hostname = '127.0.0.1';
    url.port = String(port);
    publisher = await mqtt.connectAsync(broker.url);
    daemon = await Daemon.prepare(config(url.href));
  });

  afterAll(async () => {
    await publisher?.endAsync();
    await daemon?.remove();
    await db?.end();
    await link?.close();
    await broker?.stop();
    await database?.close();
  });

  const acked = () => broker.count('Received PUBACK from cold-test');
  const humidity = (device: string, second: number, value: number) =>
    publisher.publishAsync(
      `sensors/lab/${device}/readings`,
      JSON.stringify({ ts: baseMs + HOUR_MS / 2 + second * 1000, humidity: value }),
      { qos: 1 },
    );
  const status = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${http}${path}`);
    return { code: answer.status, text: await answer.text() };
  };
  const saw = (from: number, message: string): LogLine | undefined =>
    daemon.log.slice(from).find(({ msg }) => msg.startsWith(message));
  const inFlight = async () =>
    Number(
      /^fieldwatch_ingest_items\{outcome="in_flight"\} (\S+)$/m.exec((await status('/metrics')).text)?.[1],
    );

  it('takes, acknowledges and keeps what arrives, through SIGKILL, SIGHUP and SIGTERM', async () => {
    await daemon.launch();
    expect(saw(0, 'started without the database')).toMatchObject({ level: 'error', code: 'DB_UNREACHABLE' });
    expect(saw(0, 'ready')).toMatchObject({ database: 'away' });
    expect((await status('/livez')).code).toBe(200);
    const ready = await status('/readyz');
    expect(ready).toMatchObject({ code: 200 });
    expect(JSON.parse(ready.text)).toMatchObject({ status: 'degraded' });
    expect(ready.text).toContain('DB_UNREACHABLE');

    await humidity('hall', 0, 50);
    await humidity('hall', 1, 90);
    await humidity('yard', 1, 91);
    await publishNumbered(broker.url, 0, FIRST, baseMs);
    await eventually('all is acknowledged', () => acked() >= FIRST + 3);
    daemon.signal('SIGHUP');
    const refused = await daemon.logged(({ msg }) => msg.startsWith('reload refused'));
    expect(refused).toMatchObject({
      err: { message: expect.stringContaining('the database has been away since the start') },
    });

    await daemon.end('SIGKILL');
    const second = daemon.log.length;
    await daemon.launch();
    expect(saw(second, 'spool: resuming readings of the last run')).toMatchObject({ items: FIRST + 3 });
    await humidity('hall', 2, 60);
    await humidity('hall', 3, 95);
    await publishNumbered(broker.url, FIRST, FIRST + SECOND, baseMs);
    await eventually('the second part, too', () => acked() >= FIRST + SECOND + 5);
    expect(await daemon.end('SIGTERM')).toBe(0);

    await publishNumbered(broker.url, FIRST + SECOND, ALL, baseMs);
    await daemon.launch();
    await eventually('what the broker held', () => acked() >= ALL + 5);
    expect(daemon.log.filter((line) => line['alert_id'] !== undefined)).toEqual([]);
    expect(await inFlight()).toBe(ALL + 5);
  });

  it('stores each once when it is back, with the alerts in the order of the readings, and goes on', async () => {
    const before = daemon.log.length;
    const url = new URL(database.url);
    link = await TcpProxy.start(Number(url.port || 5432), url.hostname, port);
    await daemon.logged(({ msg }) => msg === 'database accepts writes again', before);
    await eventually('nothing is in flight', async () => (await inFlight()) === 0, { withinMs: 90_000 });
    db = new pg.Client({ connectionString: database.url });
    await db.connect();
    const rows = async (text: string) => (await db.query<Record<string, unknown>>(text)).rows;
    const numbered = () =>
      rows(`SELECT count(*)::int AS rows, count(DISTINCT value)::int AS ids FROM sensor_metrics
             WHERE metric_id = (SELECT id FROM metrics WHERE name = 'seq')`);
    expect(await numbered()).toEqual([{ rows: ALL, ids: ALL }]);
    expect(await rows('SELECT count(*)::int AS n FROM sensor_readings')).toEqual([{ n: ALL + 5 }]);
    expect(await rows('SELECT reason FROM dead_letters')).toEqual([]);
    expect(await rows(`SELECT location FROM sensors WHERE key = 'hall'`)).toEqual([{ location: 'hall' }]);
    const episodes = `
      SELECT s.key, a.alert_type AS type, a.resolved_at IS NOT NULL AS resolved, a.value
        FROM sensor_alerts a JOIN sensors s ON s.id = a.sensor_id
       WHERE a.alert_type LIKE 'humidity%' ORDER BY s.key, a.time`;
    // In a share group readings are handed over to the owner of their shard.
    await eventually('all is evaluated', async () => (await rows(episodes)).length >= 3);
    expect(await rows(episodes)).toEqual([
      { key: 'hall', type: 'humidity_high', resolved: true, value: 90 },
      { key: 'hall', type: 'humidity_high', resolved: false, value: 95 },
      { key: 'yard', type: 'humidity_high', resolved: false, value: 91 },
    ]);
    const lines = () => daemon.log.slice(before).filter((line) => line['alert_type'] === 'humidity_high');
    const ofHall = () => lines().filter((line) => line['sensor'] === 'hall');
    // A line leaves after its row is committed.
    await eventually('the lines are out', async () => lines().length >= 4);
    expect(ofHall().map((line) => line['event'])).toEqual(['firing', 'resolved', 'firing']);
    expect(lines().every((line) => line['persisted'] === true)).toBe(true);

    await publishNumbered(broker.url, ALL, ALL + 100, baseMs);
    await eventually('live readings are stored', async () => (await numbered())[0]?.['ids'] === ALL + 100);
    // The last look at the database may be from before it was back.
    const isReady = async () => JSON.parse((await status('/readyz')).text).status === 'ok';
    await eventually('it says so', isReady);
    daemon.signal('SIGHUP');
    await daemon.logged(({ msg }) => msg === 'configuration reloaded', before);
    expect(await daemon.end('SIGTERM')).toBe(0);
  });
});

/** Sends the same error to every client, as a server that refuses them does; sends nothing without a code. */
async function pretender(sqlstate: string | undefined): Promise<Server> {
  const fields = Buffer.from(`SFATAL\0C${sqlstate}\0Mnot for you\0\0`);
  const header = Buffer.from('E\0\0\0\0');
  header.writeInt32BE(fields.length + 4, 1);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (sqlstate !== undefined) socket.once('data', () => socket.end(Buffer.concat([header, fields])));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

describe('a start without the database', () => {
  let server: Server;
  let daemon: Daemon;

  afterEach(async () => {
    await daemon.remove();
    server.close();
  });

  const prepare = async (sqlstate: string | undefined, spool: string) => {
    server = await pretender(sqlstate);
    const { port } = server.address() as AddressInfo;
    daemon = await Daemon.prepare(`
mqtt: { url: "mqtt://127.0.0.1:${await freePort()}" }
database: { url: "postgres://postgres@127.0.0.1:${port}/none", connect_timeout: 30s }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json }]
spool: { ${spool} }
http: { enabled: false }
`);
    daemon.spawn();
  };

  it.each([
    ['is starting up', '57P03', 'DB_UNAVAILABLE'],
    ['has no connection left', '53300', 'DB_RESOURCES'],
    ['does not have the database', '3D000', 'DB_NO_DATABASE'],
    ['is silent', undefined, 'DB_NO_ANSWER'],
  ])('goes on where the server %s', async (_, sqlstate, code) => {
    await prepare(sqlstate, 'after: 1s');
    const line = await daemon.logged(({ msg }) => msg.startsWith('started without the database'));
    expect(line).toMatchObject({ code });
    await daemon.logged(({ msg }) => msg === 'ready');
    expect(await daemon.end('SIGTERM')).toBe(0);
  });

  it.each([
    ['a wrong password', '28P01', 'after: 1s', 1, 'DB_AUTH'],
    ['a database that is not there, and no spool', '3D000', 'enabled: false', 1, 'DB_NO_DATABASE'],
    ['a server that is starting up, and no spool', '57P03', 'enabled: false', 1, 'DB_UNAVAILABLE'],
  ])('ends with its reason at %s', async (_, sqlstate, spool, exitCode, code) => {
    await prepare(sqlstate, spool);
    expect(await daemon.ended()).toBe(exitCode);
    expect(daemon.log.map(({ msg }) => msg)).toContain(`  code: ${code}`);
  });
});
