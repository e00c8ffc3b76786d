import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { Daemon } from '../support/daemon.ts';
import { openTestDatabase, type TestDatabase } from '../support/embedded-db.ts';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/tools.ts';
import { Mosquitto } from '../support/mosquitto.ts';
import { publishNumbered } from '../support/publish.ts';
import { TcpProxy, type Direction } from '../support/tcp-proxy.ts';

const COUNT = 10_000;
const HOUR_MS = 3_600_000;

/**
 * Where on the wire the daemon stands when it is killed. `seen` picks the chunk of bytes at which it happens; a
 * swallowed chunk never reaches its target.
 */
interface KillPoint {
  readonly name: string;
  readonly link: 'broker' | 'database';
  readonly direction: Direction;
  readonly seen: RegExp;
  /** Let so many matching chunks pass first. */
  readonly after: number;
  readonly swallow: boolean;
}

const POINTS: readonly KillPoint[] = [
  { name: 'received', link: 'broker', direction: 'down', seen: /sensors\/lab/, after: 20, swallow: false },
  { name: 'decoded', link: 'database', direction: 'up', seen: /BEGIN/, after: 3, swallow: true },
  { name: 'in COPY', link: 'database', direction: 'up', seen: /PGCOPY/, after: 6, swallow: false },
  { name: 'before COMMIT', link: 'database', direction: 'up', seen: /COMMIT/, after: 3, swallow: true },
  {
    name: 'after COMMIT before ack',
    link: 'database',
    direction: 'down',
    seen: /COMMIT/,
    after: 3,
    swallow: true,
  },
];

describeWith('mosquitto')('statement 1: 10,000 numbered QoS 1 messages over mosquitto', () => {
  let database: TestDatabase;
  let broker: Mosquitto;
  let brokerLink: TcpProxy;
  let databaseLink: TcpProxy;
  let db: pg.Client;
  let daemon: Daemon;

  beforeAll(async () => {
    database = await openTestDatabase({ migrated: true });
    broker = await Mosquitto.start({ config: ['max_queued_messages 0'] });
    brokerLink = await TcpProxy.start(broker.port);
    const url = new URL(database.url);
    databaseLink = await TcpProxy.start(Number(url.port || 5432), url.hostname);
    url.hostname = '127.0.0.1';
    url.port = String(databaseLink.port);
    db = new pg.Client({ connectionString: database.url });
    await db.connect();
    daemon = await Daemon.start(`
mqtt: { url: "mqtt://127.0.0.1:${brokerLink.port}", client_id: crash-test, receive_maximum: 2000, reconnect: { min: 50ms, max: 500ms } }
database: { url: "${url.href}" }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json, extras: true }]
ingest: { batch: { max_rows: 1000 } }
scheduler: { enabled: false }
http: { enabled: false }
`);
  });

  afterAll(async () => {
    await daemon?.remove();
    await db?.end();
    await Promise.all([brokerLink?.close(), databaseLink?.close()]);
    await broker?.stop();
    await database?.close();
  });

  const rowsSince = async (baseMs: number): Promise<{ rows: number; ids: number }> => {
    const { rows } = await db.query<{ rows: number; ids: number }>(
      `SELECT (SELECT count(*) FROM sensor_readings WHERE time >= $1 AND time < $2)::int AS rows,
              (SELECT count(DISTINCT m.value) FROM sensor_metrics m JOIN metrics n ON n.id = m.metric_id
                WHERE n.name = 'seq' AND m.time >= $1 AND m.time < $2)::int AS ids`,
      [new Date(baseMs), new Date(baseMs + COUNT)],
    );
    return rows[0] ?? { rows: 0, ids: 0 };
  };

  const allStored = (baseMs: number) =>
    eventually('all messages are stored', async () => (await rowsSince(baseMs)).ids >= COUNT, 90_000);

  it('are exactly 10,000 rows', async () => {
    const baseMs = Date.now() - 24 * HOUR_MS;
    await publishNumbered(broker.url, 0, COUNT, baseMs);
    await allStored(baseMs);
    expect(await rowsSince(baseMs)).toEqual({ rows: COUNT, ids: COUNT });
  });

  it.each(POINTS.map((point, index) => [point.name, point, index] as const))(
    'are exactly 10,000 rows after SIGKILL of the daemon: %s',
    async (_, point, index) => {
      const baseMs = Date.now() - (index + 1) * HOUR_MS;
      const proxy = point.link === 'broker' ? brokerLink : databaseLink;
      let matches = 0;
      let killed = false;
      proxy.swallow((chunk, direction) => {
        if (killed) return true;
        if (direction !== point.direction || !point.seen.test(chunk.toString('latin1'))) return false;
        if (++matches <= point.after) return false;
        process.kill(daemon.pid, 'SIGKILL');
        killed = true;
        return point.swallow;
      });
      const published = publishNumbered(broker.url, 0, COUNT, baseMs);
      await daemon.ended();
      expect(killed).toBe(true);
      await published;
      proxy.resume();
      await daemon.launch();
      await allStored(baseMs);
      expect(await rowsSince(baseMs)).toEqual({ rows: COUNT, ids: COUNT });
    },
  );
});
