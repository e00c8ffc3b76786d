import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { Daemon } from '../support/daemon.ts';
import { openTestDatabase, type TestDatabase } from '../support/embedded-db.ts';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/tools.ts';
import { Mosquitto } from '../support/mosquitto.ts';
import { publishNumbered } from '../support/publish.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const COUNT = 500;

describeWith('mosquitto')('statement 2: the database away for more than three keepalive periods', () => {
  let database: TestDatabase;
  let broker: Mosquitto;
  let link: TcpProxy;
  let db: pg.Client;
  let daemon: Daemon;

  beforeAll(async () => {
    database = await openTestDatabase({ migrated: true });
    broker = await Mosquitto.start({ config: ['max_queued_messages 0'] });
    const url = new URL(database.url);
    link = await TcpProxy.start(Number(url.port || 5432), url.hostname);
    url.hostname = '127.0.0.1';
    url.port = String(link.port);
    db = new pg.Client({ connectionString: database.url });
    await db.connect();
    daemon = await Daemon.start(`
mqtt: { url: "${broker.url}", client_id: outage-test, keepalive: 1s }
database: { url: "${url.href}", statement_timeout: 1s, connect_timeout: 1s }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json }]
ingest: { retry: { min: 50ms, max: 500ms } }
scheduler: { enabled: false }
http: { enabled: false }
`);
  });

  afterAll(async () => {
    await daemon?.remove();
    await db?.end();
    await link?.close();
    await broker?.stop();
    await database?.close();
  });

  const pings = () => broker.log.split('Received PINGREQ from outage-test').length - 1;
  const connects = () => daemon.log.filter((line) => line.msg === 'mqtt: connected').length;

  it.each([
    ['refuses connections', () => (link.refuse(), link.cut()), 1],
    ['stalls without a word', () => link.stall(), 2],
  ])('keeps the MQTT connection and stores all when it is back: it %s', async (_, breakIt, hours) => {
    const baseMs = Date.now() - hours * 3_600_000;
    const before = daemon.log.length;
    breakIt();
    await publishNumbered(broker.url, 0, COUNT, baseMs);
    await daemon.logged(({ msg }) => msg.startsWith('cannot write to the database'), before);
    const since = pings();
    await eventually('four more pings', () => pings() >= since + 4);
    link.resume();
    // A stalled connection stays dead for the daemon even when bytes flow again: it has given it up.
    await daemon.logged(({ msg }) => msg === 'the database takes writes again', before);
    await eventually('all is stored', async () => {
      const { rows } = await db.query<{ n: number }>(
        'SELECT count(*)::int AS n FROM sensor_readings WHERE time >= $1 AND time < $2',
        [new Date(baseMs), new Date(baseMs + COUNT)],
      );
      return rows[0]?.n === COUNT;
    });
    expect(connects()).toBe(1);
  });
});
