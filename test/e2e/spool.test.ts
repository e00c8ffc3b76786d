import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import pg from 'pg';
import { alertsCommand } from '../../src/cli/alerts.ts';
import { runCli } from '../support/cli.ts';
import { Daemon, type LogLine } from '../support/daemon.ts';
import { openTestDatabase, type TestDatabase } from '../support/embedded-db.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { describeWith } from '../support/tools.ts';
import { Mosquitto } from '../support/mosquitto.ts';
import { publishNumbered } from '../support/publish.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const COUNT = 300;

describeWith('mosquitto')('statement 18: the database away for longer than spool.after', () => {
  let database: TestDatabase;
  let broker: Mosquitto;
  let link: TcpProxy;
  let db: pg.Client;
  let daemon: Daemon;
  let publisher: MqttClient;
  let http: number;
  const baseMs = Date.now() - 3_600_000;

  beforeAll(async () => {
    database = await openTestDatabase({ migrated: true });
    broker = await Mosquitto.start({ config: ['max_queued_messages 0', 'persistence true'] });
    const url = new URL(database.url);
    link = await TcpProxy.start(Number(url.port || 5432), url.hostname);
    url.hostname = '127.0.0.1';
    url.port = String(link.port);
    db = new pg.Client({ connectionString: database.url });
    await db.connect();
    http = await freePort();
    publisher = await mqtt.connectAsync(broker.url);
    daemon = await Daemon.start(`
mqtt: { url: "${broker.url}", client_id: spool-test }
database: { url: "${url.href}", connect_timeout: 2s }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json }]
alerts: { metrics: { humidity: { max: 80, hysteresis: 1 } } }
ingest: { retry: { min: 50ms, max: 500ms } }
spool: { after: 1s }
scheduler: { enabled: false }
http: { port: ${http} }
`);
  });

  afterAll(async () => {
    await publisher?.endAsync();
    await daemon?.remove();
    await db?.end();
    await link?.close();
    await broker?.stop();
    await database?.close();
  });

  const acked = () => broker.count('Received PUBACK from spool-test');
  const humidity = (device: string, second: number, value: number) =>
    publisher.publishAsync(
      `sensors/lab/${device}/readings`,
      JSON.stringify({ ts: baseMs + 1_000_000 + second * 1000, humidity: value }),
      { qos: 1 },
    );
  const stored = async (): Promise<number> => {
    const { rows } = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM sensor_readings');
    return rows[0]?.n ?? 0;
  };
  const items = async () => {
    const text = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();
    const found = [...text.matchAll(/^fieldwatch_intake_items\{outcome="(\w+)"\} (\S+)$/gm)];
    return new Map(found.map(([, outcome, value]) => [outcome, Number(value)]));
  };
  const conserved = async () => {
    const { received = 0, ...rest } = Object.fromEntries(await items()) as Record<string, number>;
    expect(received).toBe(Object.values(rest).reduce((sum, value) => sum + value, 0));
    return { received, ...rest } as Record<string, number>;
  };
  const lines = (device: string): LogLine[] =>
    daemon.log.filter((line) => line['alert_id'] !== undefined && line['sensor'] === device);
  const alerts = async () =>
    (
      await db.query<{ key: string; resolved: boolean }>(
        `SELECT s.key, a.resolved_at IS NOT NULL AS resolved FROM sensor_alerts a
           JOIN sensors s ON s.id = a.sensor_id ORDER BY s.key`,
      )
    ).rows;

  it.each([
    ['refuses connections', 'SIGKILL', () => (link.refuse(), link.cut())],
    ['stalls without a word', 'SIGTERM', () => link.stall()],
  ] as const)('acknowledges, tells, survives and stores all once: it %s', async (_, signal, breakIt) => {
    const round = signal === 'SIGKILL' ? 0 : 1;
    const [known, fresh] = [`known${round}`, `fresh${round}`];
    const from = round * 2 * COUNT;
    const storedBefore = await stored();
    const alertsBefore = await alerts();
    await humidity(known, 0, 50);
    await publishNumbered(broker.url, from, from + COUNT, baseMs);
    await eventually('the first part is stored', async () => (await stored()) === storedBefore + COUNT + 1);

    breakIt();
    const before = acked();
    await humidity(known, 1, 90);
    await humidity(fresh, 1, 91);
    await publishNumbered(broker.url, from + COUNT, from + 2 * COUNT, baseMs);
    await eventually('all is acknowledged', () => acked() >= before + COUNT + 2);
    expect(await stored()).toBe(storedBefore + COUNT + 1);
    const line = await daemon.logged((each) => each['sensor'] === known && each['event'] === 'firing');
    expect(line).toMatchObject({ persisted: false });
    await humidity(known, 2, 60);
    await eventually('the end of the breach is told', () => lines(known).length === 2);
    expect(await conserved()).toMatchObject({ in_flight: COUNT + 3 });

    await daemon.end(signal);
    link.resume();
    await daemon.launch();
    await eventually('all is stored', async () => (await stored()) === storedBefore + 2 * COUNT + 4);
    await eventually('nothing is in flight', async () => (await conserved())['in_flight'] === 0);
    expect(await alerts()).toEqual([
      ...(round === 0 ? [] : alertsBefore.slice(0, 1)),
      { key: fresh, resolved: false },
      ...(round === 0 ? [] : alertsBefore.slice(1)),
      { key: known, resolved: true },
    ]);
    expect(lines(known).map(({ event, persisted }) => [event, persisted])).toEqual([
      ['firing', false],
      ['resolved', false],
    ]);
    expect(lines(fresh).map(({ event, persisted }) => [event, persisted])).toEqual([['firing', true]]);
    const { rows } = await db.query('SELECT count(*)::int AS n FROM alert_outbox WHERE sent_at IS NULL');
    expect(rows).toEqual([{ n: 0 }]);
  });

  it('goes on without a restart, and writes to the database again before the spool is empty', async () => {
    const from = 4 * COUNT;
    const storedBefore = await stored();
    link.refuse();
    link.cut();
    const before = acked();
    await publishNumbered(broker.url, from, from + COUNT, baseMs);
    await eventually('all is acknowledged', () => acked() >= before + COUNT);
    const logged = daemon.log.length;
    link.resume();
    await daemon.logged(({ msg }) => msg === 'the database takes writes again', logged);
    await publishNumbered(broker.url, from + COUNT, from + 2 * COUNT, baseMs);
    await eventually('all is stored', async () => (await stored()) === storedBefore + 2 * COUNT);
    await eventually('nothing is in flight', async () => (await conserved())['in_flight'] === 0);
  });

  it('an operator’s command waits while the spool is in use, and is carried out once', async () => {
    await humidity('asked', 1000, 95);
    await eventually('the alert is stored', async () => (await alerts()).some(({ key }) => key === 'asked'));
    const from = daemon.log.length;
    link.refuse();
    link.cut();
    await humidity('asked', 1001, 96);
    await daemon.logged(({ msg }) => msg === 'the database is away: messages go to the spool', from);
    const ask = ['ack', 'asked', 'humidity_high', '--by', 'ann', '--no-wait'];
    const { code } = await runCli(alertsCommand, ask, { env: { FIELDWATCH_DATABASE_URL: database.url } });
    expect(code).toBe(0);
    link.resume();
    await daemon.logged(({ msg }) => msg === 'an operator acknowledged an alert', from);
    const { rows } = await db.query(
      `SELECT a.acked_by, c.outcome FROM alert_commands c JOIN sensor_alerts a USING (sensor_id, alert_type)
        WHERE a.resolved_at IS NULL`,
    );
    expect(rows).toEqual([{ acked_by: 'ann', outcome: 'done' }]);
    await eventually('nothing is in flight', async () => (await conserved())['in_flight'] === 0);
    const carriedOut = daemon.log.filter(({ msg }) => msg === 'an operator acknowledged an alert');
    expect(carriedOut).toHaveLength(1);
  });
});
