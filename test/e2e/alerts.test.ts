import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import pg from 'pg';
import { Daemon, type LogLine } from '../support/daemon.ts';
import { openTestDatabase, type TestDatabase } from '../support/embedded-db.ts';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/tools.ts';
import { Mosquitto } from '../support/mosquitto.ts';

describeWith('mosquitto')('a breach', () => {
  let database: TestDatabase;
  let broker: Mosquitto;
  let db: pg.Client;
  let publisher: MqttClient;
  let daemon: Daemon;
  const startMs = Date.now() - 60_000;

  beforeAll(async () => {
    database = await openTestDatabase({ migrated: true });
    broker = await Mosquitto.start();
    db = new pg.Client({ connectionString: database.url });
    await db.connect();
    publisher = await mqtt.connectAsync(broker.url);
    daemon = await Daemon.start(`
mqtt: { url: "${broker.url}", client_id: alert-test }
database: { url: "${database.url}" }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json }]
alerts: { metrics: { temperature: { max: 30, hysteresis: 1 }, humidity: { no_data_after: 2s } } }
scheduler: { enabled: false }
http: { enabled: false }
log: { alert_log: alerts.log }
`);
  });

  afterAll(async () => {
    await publisher?.endAsync();
    await daemon?.remove();
    await db?.end();
    await broker?.stop();
    await database?.close();
  });

  const publish = (seconds: number, temperature: number) =>
    publisher.publishAsync(
      'sensors/lab/a1/readings',
      JSON.stringify({ ts: startMs + seconds * 1000, temperature }),
      { qos: 1 },
    );
  const stored = (count: number) =>
    eventually(`${count} readings`, async () => {
      const { rows } = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM sensor_readings');
      return rows[0]?.n === count;
    });
  const alerts = async () => (await db.query('SELECT * FROM sensor_alerts ORDER BY time')).rows;
  const lines = (): LogLine[] => daemon.log.filter((line) => line['alert_id'] !== undefined);

  it('gives one row and one log line however many readings repeat it', async () => {
    for (const [second, value] of [25, 31, 32, 35, 33].entries()) await publish(second, value);
    await stored(5);
    await daemon.logged((line) => line['event'] === 'firing');
    expect(await alerts()).toMatchObject([
      { alert_type: 'temperature_high', value: 31, threshold: 30, severity: 'warning', resolved_at: null },
    ]);
    expect(lines()).toMatchObject([
      { level: 'warn', event: 'firing', value: 31, threshold: 30, persisted: true },
    ]);
  });

  it('statement 22: is not announced again after SIGKILL and after an orderly restart', async () => {
    await daemon.end('SIGKILL');
    await daemon.launch();
    await publish(10, 34);
    await stored(6);
    expect(await daemon.end('SIGTERM')).toBe(0);
    await daemon.launch();
    await publish(11, 36);
    await stored(7);
    expect(await alerts()).toHaveLength(1);
    expect(lines()).toHaveLength(1);
  });

  it('is resolved once, in the row it began with, and in the alert log of its own', async () => {
    await publish(20, 28);
    await stored(8);
    await daemon.logged((line) => line['event'] === 'resolved');
    expect(await alerts()).toMatchObject([{ resolved_value: 28, resolve_reason: 'value', peak_value: 36 }]);
    const events = async () => {
      const lines = (await readFile(join(daemon.dir, 'alerts.log'), 'utf8')).trim().split('\n');
      return lines.map((line) => (JSON.parse(line) as LogLine)['event']);
    };
    await eventually('the second line', async () => (await events()).length === 2);
    expect(await events()).toEqual(['firing', 'resolved']);
  });

  it('is also silence: a sensor that stops is told by time alone, and resolved by its next reading', async () => {
    const from = daemon.log.length;
    const humidity = (value: number) =>
      publisher.publishAsync('sensors/lab/b1/readings', JSON.stringify({ humidity: value }), { qos: 1 });
    await humidity(40);
    await daemon.logged(
      (line) => line['alert_type'] === 'humidity_no_data' && line['event'] === 'firing',
      from,
    );
    await humidity(41);
    await daemon.logged(
      (line) => line['alert_type'] === 'humidity_no_data' && line['event'] === 'resolved',
      from,
    );
    const rows = await alerts();
    expect(rows.filter((row) => row.alert_type === 'humidity_no_data')).toMatchObject([
      { value: 2, threshold: 2, resolve_reason: 'data_resumed' },
    ]);
  });
});
