import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { CrowdedServer } from '../support/crowded-server.ts';
import { Daemon } from '../support/daemon.ts';
import { type TestDatabase, openTestDatabase } from '../support/embedded-db.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { Mosquitto } from '../support/mosquitto.ts';
import { publishNumbered } from '../support/publish.ts';
import { describeWith } from '../support/tools.ts';

describeWith('mosquitto')('a role of three connections, with the defaults', () => {
  let database: TestDatabase;
  let broker: Mosquitto;
  let server: CrowdedServer;
  let daemon: Daemon;
  let db: pg.Client;
  let http: number;

  beforeAll(async () => {
    database = await openTestDatabase();
    db = new pg.Client(database.url);
    await db.connect();
    broker = await Mosquitto.start();
    server = await CrowdedServer.start(database.url, 3);
    http = await freePort();
    daemon = await Daemon.prepare(`
mqtt: { url: "${broker.url}", client_id: few-test }
database: { url: "${server.url}" }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json, extras: true }]
ingest: { retry: { min: 50ms, max: 500ms } }
spool: { after: 1s }
http: { port: ${http} }
`);
  });

  afterAll(async () => {
    await daemon?.remove();
    server?.close();
    await broker?.stop();
    await db?.end();
    await database?.close();
  });

  const hasTables = async () => {
    const { rows } = await db.query<{ found: boolean }>(
      `SELECT to_regclass('sensor_readings') IS NOT NULL AS found`,
    );
    return rows[0]?.found === true;
  };
  const stored = async () => {
    const { rows } = await db.query<{ count: number }>('SELECT count(*)::int AS count FROM sensor_readings');
    return rows[0]?.count;
  };
  const checks = async () => {
    const answer = await fetch(`http://127.0.0.1:${http}/readyz`);
    const { checks: all } = (await answer.json()) as { checks: { name: string; status: string }[] };
    return Object.fromEntries(all.map(({ name, status }) => [name, status]));
  };

  test('readings are stored, also after an outage, and the rest says what it lacks', async () => {
    const baseMs = Date.now() - 60_000;
    // A server that has no connection left is away at the start: readings are spooled, and the tables come later.
    server.limit = 0;
    await daemon.launch();
    await publishNumbered(broker.url, 0, 100, baseMs);
    server.limit = 3;
    await eventually('the tables are there', hasTables);
    await eventually('all is stored', async () => (await stored()) === 100);
    // The rows are there before the spool is done: an outage that begins before that is the same one, and logs nothing.
    await eventually('the outage is over', async () => {
      const { database: link, spool } = await checks();
      return link === 'ok' && spool === 'ok';
    });

    // No connection at all for a while: what arrives is spooled, and the spool needs a connection of its own to drain.
    const cutAt = daemon.log.length;
    server.limit = 0;
    server.cut();
    await publishNumbered(broker.url, 100, 200, baseMs);
    await daemon.logged(({ msg }) => msg === 'database unreachable, spooling messages', cutAt);
    server.limit = 3;
    await eventually('the spool is drained', async () => (await stored()) === 200);
    await publishNumbered(broker.url, 200, 300, baseMs);
    await eventually('the writer has its connection again', async () => {
      const { database: link, spool } = await checks();
      return (await stored()) === 300 && link === 'ok' && spool === 'ok';
    });
    expect(server.connections).toBeLessThanOrEqual(3);
    expect(server.refused).toBeGreaterThan(0);
    expect(daemon.log.some((line) => JSON.stringify(line).includes('53300'))).toBe(true);
    expect(await daemon.end('SIGTERM')).toBe(0);
  });
});
