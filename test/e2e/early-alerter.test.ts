import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import pg from 'pg';
import { Daemon, type LogLine } from '../support/daemon.ts';
import { type TestDatabase, openTestDatabase } from '../support/embedded-db.ts';
import { eventually } from '../support/eventually.ts';
import { Mosquitto } from '../support/mosquitto.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { describeWith } from '../support/tools.ts';

const LIMIT = 30;
/** A second is for a machine that has nothing else to do (`npm run soak`); this is far from when the spool takes over. */
const SOON_MS = 10_000;

describeWith('mosquitto')('statement 26: alert lines from the first second without a database', () => {
  let database: TestDatabase;
  let broker: Mosquitto;
  let link: TcpProxy;
  let db: pg.Client;
  let publisher: MqttClient;
  const running: Daemon[] = [];

  beforeAll(async () => {
    database = await openTestDatabase({ migrated: true });
    broker = await Mosquitto.start({ config: ['max_queued_messages 0'] });
    const url = new URL(database.url);
    link = await TcpProxy.start(Number(url.port || 5432), url.hostname);
    db = new pg.Client({ connectionString: database.url });
    await db.connect();
    publisher = await mqtt.connectAsync(broker.url);
  });

  afterAll(async () => {
    for (const daemon of running) await daemon.remove();
    await publisher?.endAsync();
    await db?.end();
    await link?.close();
    await broker?.stop();
    await database?.close();
  });

  const start = async (name: string, spool: string): Promise<Daemon> => {
    const url = new URL(database.url);
    url.host = `127.0.0.1:${link.port}`;
    const daemon = await Daemon.start(`
mqtt: { url: "${broker.url}", client_id: "${name}" }
database: { url: "${url.href}", statement_timeout: 20s, connect_timeout: 2s }
routes: [{ topic: "${name}/{location}/{device}/readings", codec: json }]
alerts: { metrics: { temperature: { max: ${LIMIT}, hysteresis: 1 } } }
ingest: { retry: { min: 50ms, max: 500ms } }
log: { alert_log: alerts.log }
spool: ${spool}
scheduler: { enabled: false }
http: { enabled: false }
`);
    running.push(daemon);
    return daemon;
  };

  it.each([
    ['the database refuses connections, with a spool', '{ after: 30s }', 'refuse', undefined],
    ['the link stalls silently, with a spool', '{ after: 30s }', 'stall', 'SIGKILL'],
    ['the database refuses connections, without a spool', '{ enabled: false }', 'refuse', 'SIGKILL'],
    ['the link stalls silently, without a spool', '{ enabled: false }', 'stall', undefined],
  ] as const)('%s: each alert is logged soon, once, and stored', async (_, spool, fault, kill) => {
    const name = `early${running.length}`;
    const daemon = await start(name, spool);
    const [a, b] = [`${name}a`, `${name}b`];
    const baseMs = Date.now() - 60_000;
    const publish = (device: string, second: number, temperature: number) =>
      publisher.publishAsync(
        `${name}/lab/${device}/readings`,
        JSON.stringify({ ts: baseMs + second * 1000, temperature }),
        { qos: 1 },
      );
    const lineOf = (device: string, event: string) =>
      daemon.logged((line) => line['sensor'] === device && line['event'] === event);
    const stored = async () => {
      const { rows } = await db.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM sensor_readings r JOIN sensors s ON s.id = r.sensor_id WHERE s.key LIKE $1`,
        [`${name}%`],
      );
      return rows[0]?.n;
    };
    await Promise.all([publish(a, 0, 20), publish(b, 0, 20)]);
    await eventually('both are known', async () => (await stored()) === 2);

    if (fault === 'stall') link.stall();
    else {
      link.refuse();
      link.cut();
    }
    const publishedMs = Date.now();
    await publish(a, 1, LIMIT + 1);
    const line = await lineOf(a, 'firing');
    expect(line).toMatchObject({ persisted: false, value: LIMIT + 1 });
    expect(Date.parse(String(line['time'])) - publishedMs).toBeLessThan(SOON_MS);
    await publish(b, 1, LIMIT + 2);
    await publish(a, 2, LIMIT - 5);
    expect(await lineOf(b, 'firing')).toMatchObject({ persisted: false });
    expect(await lineOf(a, 'resolved')).toMatchObject({ persisted: false });
    expect(await stored()).toBe(2);
    // The file is written behind the line of the log; a kill in between would repeat the line.
    await eventually('the file has the lines so far', async () => (await linesOf(daemon)).length >= 3);

    if (kill !== undefined) await daemon.end(kill);
    link.resume();
    if (kill !== undefined) await daemon.launch();
    await eventually('all is stored', async () => (await stored()) === 5);
    await eventually('the outbox is sent', async () => {
      const { rows } = await db.query('SELECT 1 FROM alert_outbox WHERE sent_at IS NULL');
      return rows.length === 0;
    });
    await publish(b, 2, LIMIT - 5);
    // With its row, unless the machine is slow.
    await lineOf(b, 'resolved');
    const episodes = async () => {
      const { rows } = await db.query<{ key: string; resolved: boolean }>(
        `SELECT s.key, a.resolved_at IS NOT NULL AS resolved FROM sensor_alerts a
           JOIN sensors s ON s.id = a.sensor_id WHERE s.key LIKE $1 ORDER BY s.key`,
        [`${name}%`],
      );
      return rows;
    };
    await eventually('both are over', async () => (await episodes()).every(({ resolved }) => resolved));
    expect(await episodes()).toEqual([a, b].map((key) => ({ key, resolved: true })));
    // The file is written behind the line of the log.
    await eventually('the file has the last line', async () => (await linesOf(daemon)).length >= 4);
    expect(await linesOf(daemon)).toEqual([
      [a, 'firing', false],
      [b, 'firing', false],
      [a, 'resolved', false],
      [b, 'resolved', expect.any(Boolean)],
    ]);
    await daemon.end();
  });
});

/** What the alert log's own file has, over a restart. */
async function linesOf(daemon: Daemon): Promise<unknown[]> {
  const text = await readFile(join(daemon.dir, 'alerts.log'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as LogLine)
    .map(({ sensor, event, persisted }) => [sensor, event, persisted]);
}
