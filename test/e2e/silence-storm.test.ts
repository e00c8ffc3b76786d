import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mqtt from 'mqtt';
import pg from 'pg';
import { Daemon } from '../support/daemon.ts';
import { type TestDatabase, openTestDatabase } from '../support/embedded-db.ts';
import { eventually } from '../support/eventually.ts';
import { HttpServer } from '../support/http-server.ts';
import { Mosquitto } from '../support/mosquitto.ts';
import { rounds } from '../support/rounds.ts';
import { describeWith } from '../support/tools.ts';

/** More than a slice of 2,000. */
const SENSORS = rounds(2200, 4000);

describeWith('mosquitto')('many sensors that are silent', () => {
  let database: TestDatabase;
  let broker: Mosquitto;
  let db: pg.Client;
  let daemon: Daemon;
  let hook: HttpServer;

  beforeAll(async () => {
    database = await openTestDatabase({ migrated: true });
    broker = await Mosquitto.start();
    hook = await HttpServer.start();
    db = new pg.Client({ connectionString: database.url });
    db.on('error', () => undefined);
    await db.connect();
    await db.query(`INSERT INTO sensors (key) SELECT 's' || i FROM generate_series(1, ${SENSORS}) i`);
    daemon = await Daemon.start(`
mqtt: { url: "${broker.url}", client_id: silence-test, keepalive: 5s, reconnect: { min: 100ms, max: 500ms } }
database: { url: "${database.url}" }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json }]
alerts: { metrics: { temperature: { no_data_after: 12s } } }
notify: [{ name: ops, kind: webhook, url: "${hook.url}", group_wait: 1s, group_interval: 2s }]
scheduler: { enabled: false }
http: { enabled: false }
`);
  });

  afterAll(async () => {
    await daemon?.remove();
    await db?.end();
    await hook?.stop();
    await broker?.stop();
    await database?.close();
  });

  /** Calls to the sink, and the alerts in them. */
  const received = (status: string) => {
    const bodies = hook.bodies as { status: string; alerts: unknown[]; truncatedAlerts: number }[];
    const own = bodies.filter((body) => body.status === status);
    return { calls: own.length, alerts: own.reduce((sum, { alerts, truncatedAlerts }) => sum + alerts.length + truncatedAlerts, 0) }; // prettier-ignore
  };
  const rows = async (): Promise<number> =>
    (await db.query<{ n: number }>('SELECT count(*)::int AS n FROM sensor_alerts')).rows[0]?.n ?? 0;
  const events = (event: string) => daemon.log.filter((line) => line['event'] === event);

  it('are one line while the broker is away', async () => {
    await broker.kill();
    await daemon.logged((line) => line['event'] === 'collector_disconnected');
    // Long enough for all of them to be silent, if that still counted: there is no event of nothing happening.
    await new Promise((resolve) => setTimeout(resolve, 15_000));
    expect(await rows()).toBe(0);
    const from = daemon.log.length;
    await broker.launch();
    await daemon.logged((line) => line.msg === 'mqtt: connected', from);
    expect(events('collector_disconnected')).toHaveLength(1);
  });

  it('are two lines, a few notifications and a row each once they stay silent, and others are still received', async () => {
    await daemon.logged((line) => line['event'] === 'no_data_group');
    const publisher = await mqtt.connectAsync(broker.url);
    await publisher.publishAsync('sensors/lab/new/readings', '{"temperature": 20}', { qos: 1 });
    await publisher.endAsync();
    await eventually('all rows', async () => (await rows()) >= SENSORS);
    await eventually('the reading', async () => {
      const { rows: found } = await db.query('SELECT 1 FROM sensor_readings');
      return found.length === 1;
    });
    // A line at once; the other when nothing more has come for a while.
    await eventually('the lines of all slices', () => events('no_data_group').length >= 2);
    const groups = events('no_data_group');
    expect(groups.map((line) => line['alerts'])).toEqual([2000, expect.any(Number)]);
    expect(groups[1]?.['total']).toBeGreaterThanOrEqual(SENSORS);
    expect(groups[0]).toMatchObject({
      level: 'warn',
      transition: 'firing',
      first: expect.any(Array) as unknown,
    });
    expect(events('firing')).toEqual([]);
    await eventually('the sink has all', () => received('firing').alerts >= SENSORS, { withinMs: 180_000 });
    // One at once, one for each window that the storm lasted.
    expect(received('firing').calls).toBeLessThan(15);
  });

  it('are as few when they come back', async () => {
    const publisher = await mqtt.connectAsync(broker.url, { protocolVersion: 5 });
    for (let from = 1; from <= SENSORS; from += 500)
      await Promise.all(
        Array.from({ length: 500 }, (_, i) =>
          publisher.publishAsync(`sensors/lab/s${from + i}/readings`, '{"temperature": 20}', { qos: 1 }),
        ),
      );
    await publisher.endAsync();
    await eventually('the sink has all', () => received('resolved').alerts >= SENSORS, { withinMs: 180_000 });
    expect(received('resolved').calls).toBeLessThan(15);
    const lines = () => events('no_data_group').filter((line) => line['transition'] === 'resolved');
    // The first few have lines of their own.
    const single = () => events('resolved').length;
    await eventually('the lines say it', () => Number(lines().at(-1)?.['total'] ?? 0) + single() >= SENSORS);
    expect(single()).toBeLessThan(20);
    expect(lines().length).toBeLessThan(10);
  });
});
