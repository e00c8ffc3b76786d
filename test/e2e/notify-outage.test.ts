import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import pg from 'pg';
import { Daemon } from '../support/daemon.ts';
import { openTestDatabase, type TestDatabase } from '../support/embedded-db.ts';
import { eventually } from '../support/eventually.ts';
import { HttpServer } from '../support/http-server.ts';
import { Mosquitto } from '../support/mosquitto.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { describeWith } from '../support/tools.ts';

describeWith('mosquitto')('an alert while the database is away', () => {
  let database: TestDatabase;
  let broker: Mosquitto;
  let link: TcpProxy;
  let db: pg.Client;
  let hook: HttpServer;
  let publisher: MqttClient;
  let daemon: Daemon;
  const startMs = Date.now() - 60_000;

  beforeAll(async () => {
    database = await openTestDatabase({ migrated: true });
    broker = await Mosquitto.start();
    hook = await HttpServer.start();
    const url = new URL(database.url);
    link = await TcpProxy.start(Number(url.port || 5432), url.hostname);
    [url.hostname, url.port] = ['127.0.0.1', String(link.port)];
    db = new pg.Client({ connectionString: database.url });
    await db.connect();
    publisher = await mqtt.connectAsync(broker.url);
    daemon = await Daemon.start(`
mqtt: { url: "${broker.url}", client_id: notify-outage }
database: { url: "${url.href}", connect_timeout: 1s }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json }]
alerts: { metrics: { temperature: { max: 30 } } }
notify:
  - { name: ops, kind: webhook, url: "${hook.url}" }
  - { name: broker, kind: mqtt, retain: while_firing }
scheduler: { enabled: false }
app_metrics: { enabled: false }
http: { enabled: false }
log: { alert_log: alerts.log }
`);
  });

  afterAll(async () => {
    await publisher?.endAsync();
    await daemon?.remove();
    await db?.end();
    await link?.close();
    await hook?.stop();
    await broker?.stop();
    await database?.close();
  });

  const publish = (seconds: number, temperature: number) =>
    publisher.publishAsync(
      'sensors/lab/a1/readings',
      JSON.stringify({ ts: startMs + seconds * 1000, temperature }),
      { qos: 1 },
    );
  const statuses = () => (hook.bodies as { status: string }[]).map(({ status }) => status);
  const count = async (sql: string) =>
    (await db.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${sql}`)).rows[0]?.n;

  it('is told at once, is stored when the database is back, and is not told again', async () => {
    await publish(0, 20);
    await eventually('the first reading is stored', async () => (await count('sensor_readings')) === 1);
    link.refuse();
    link.cut();
    await publish(10, 35);
    await eventually('the sink is told', () => statuses().length === 1);
    const line = await daemon.logged((each) => each['event'] === 'firing');
    expect(line).toMatchObject({ persisted: false });
    link.resume();
    await eventually('the row is there', async () => (await count('sensor_alerts')) === 1);
    await eventually('it is known as told', async () =>
      (await count(`alert_deliveries WHERE outcome = 'sent'`)) === 2 && (await count('alert_outbox WHERE sent_at IS NULL')) === 0,
    ); // prettier-ignore
    await publish(20, 25);
    await eventually('the end is told', () => statuses().includes('resolved'));
    expect(statuses()).toEqual(['firing', 'resolved']);
    const lines = (await readFile(join(daemon.dir, 'alerts.log'), 'utf8')).trim().split('\n');
    expect(lines.map((each) => (JSON.parse(each) as { event: string }).event)).toEqual([
      'firing',
      'resolved',
    ]);
  });

  it('the state at the broker is there while it fires, and gone at the end', async () => {
    const late = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
    const seen: string[] = [];
    late.on('message', (topic, payload, { retain }) => {
      const text = payload.toString();
      seen.push(`${topic} ${text === '' ? 'gone' : (JSON.parse(text) as { status: string }).status}${retain ? ' (kept)' : ''}`);
    });
    await publish(30, 40);
    await eventually('it fires', () => statuses().filter((status) => status === 'firing').length === 2);
    await eventually('it is kept', async () => {
      await late.subscribeAsync('fieldwatch/alerts/#', { qos: 1 });
      return seen.length > 0;
    });
    await publish(40, 25);
    await eventually('it is gone', () => seen.at(-1)?.endsWith('gone') === true);
    const topic = 'fieldwatch/alerts/a1/temperature_high';
    expect([...new Set(seen)]).toEqual([`${topic} firing (kept)`, `${topic} resolved`, `${topic} gone`]);
    await late.endAsync();
  }); // prettier-ignore
});
