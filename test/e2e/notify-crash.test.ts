import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import pg from 'pg';
import { Daemon, fieldwatch } from '../support/daemon.ts';
import { openTestDatabase, type TestDatabase } from '../support/embedded-db.ts';
import { eventually } from '../support/eventually.ts';
import { HttpServer } from '../support/http-server.ts';
import { Mosquitto } from '../support/mosquitto.ts';
import { TcpProxy, type Direction } from '../support/tcp-proxy.ts';
import { describeWith } from '../support/tools.ts';

/** What the daemon has just said to the database, or heard from it, when it is killed; that chunk is lost. */
interface KillPoint {
  readonly name: string;
  readonly direction: Direction;
  readonly seen: RegExp;
  /** How often the sink may have been told. */
  readonly told: readonly number[];
}

// Twice where the machine is so slow that the sink was told before the commit: who did it remembers it no more.
const POINTS: readonly KillPoint[] = [
  { name: 'before the commit', direction: 'up', seen: /COMMIT/, told: [1, 2] },
  { name: 'after the commit, before the log line', direction: 'down', seen: /COMMIT/, told: [1, 2] },
  { name: 'after the log line, before its mark', direction: 'up', seen: /UPDATE alert_outbox/, told: [1, 2] },
  { name: 'after the mark, before sending', direction: 'up', seen: /ORDER BY min\(id\)/, told: [1] },
  { name: 'after sending, before it is noted', direction: 'up', seen: /outcome = \$3/, told: [2] },
];
const SECRET = 'hunter2-Sup3r';

describeWith('mosquitto')('SIGKILL of the daemon between commit, log line and sink', () => {
  let database: TestDatabase;
  let broker: Mosquitto;
  let link: TcpProxy;
  let db: pg.Client;
  let hook: HttpServer;
  let publisher: MqttClient;
  let daemon: Daemon;

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
mqtt: { url: "${broker.url}", client_id: notify-crash, reconnect: { min: 50ms, max: 500ms } }
database: { url: "${url.href}" }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json }]
alerts: { metrics: { temperature: { max: 30 } } }
notify:
  - { name: ops, kind: webhook, url: "${hook.url}/${SECRET}", token: ${SECRET}, secret: ${SECRET}, retry: { min: 50ms, max: 1s } }
scheduler: { enabled: false }
app_metrics: { enabled: false }
http: { enabled: false }
log: { alert_log: alerts.log, level: debug }
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

  const publish = (device: string, seconds: number, temperature: number) =>
    publisher.publishAsync(
      `sensors/lab/${device}/readings`,
      JSON.stringify({ ts: Date.now() - 60_000 + seconds * 1000, temperature }),
      { qos: 1 },
    );

  interface Told {
    readonly status: string;
    readonly labels: Record<string, string>;
  }
  const told = (device: string, status: string) =>
    (hook.bodies as { alerts: Told[] }[])
      .flatMap(({ alerts }) => alerts)
      .filter((alert) => alert.labels['sensor'] === device && alert.status === status).length;

  const lines = async (device: string) => {
    const text = await readFile(join(daemon.dir, 'alerts.log'), 'utf8');
    const all = text.trim().split('\n').map((line) => JSON.parse(line) as { sensor: string; event: string }); // prettier-ignore
    return all.filter(({ sensor }) => sensor === device).map(({ event }) => event);
  };
  const open = async () => {
    const { rows } = await db.query<{ n: number }>(
      `SELECT (SELECT count(*) FROM alert_deliveries WHERE done_at IS NULL)::int
            + (SELECT count(*) FROM alert_outbox WHERE sent_at IS NULL)::int AS n`,
    );
    return rows[0]?.n;
  };
  const settled = (device: string, status: string) =>
    eventually(
      `${device} ${status} is told and noted`,
      async () => told(device, status) > 0 && (await open()) === 0,
    );

  /** Kills at the point; the next process has to make up for it. */
  async function killAt({ direction, seen }: KillPoint, act: () => Promise<unknown>): Promise<void> {
    let killed = false;
    link.swallow((chunk, to) => {
      if (killed) return true;
      if (to !== direction || !seen.test(chunk.toString('latin1'))) return false;
      process.kill(daemon.pid, 'SIGKILL');
      return (killed = true);
    });
    await act();
    await daemon.ended();
    expect(killed).toBe(true);
    link.resume();
    await daemon.launch();
  }

  it.each(POINTS.map((point, index) => [point.name, point, `s${index}`] as const))(
    '%s: one line, no episode untold',
    async (_, point, device) => {
      await publish(device, 0, 20);
      await killAt(point, () => publish(device, 10, 35));
      await settled(device, 'firing');
      await killAt(point, () => publish(device, 20, 25));
      await settled(device, 'resolved');
      expect(await lines(device)).toEqual(['firing', 'resolved']);
      expect(point.told).toContain(told(device, 'firing'));
      expect(point.told).toContain(told(device, 'resolved'));
    },
  );

  it('while the sink is being told: it is told again, and the log is not written again', async () => {
    hook.behaviour = 'hang';
    await publish('hung', 10, 35);
    await eventually('the request is under way', () => told('hung', 'firing') === 1);
    await daemon.end('SIGKILL');
    hook.behaviour = { status: 200 };
    await daemon.launch();
    await settled('hung', 'firing');
    expect(told('hung', 'firing')).toBe(2);
    expect(await lines('hung')).toEqual(['firing']);
  });

  it('a sink that is down delays no reading; after an orderly restart it is told all, in order', async () => {
    hook.behaviour = { status: 503, body: `no: ${SECRET}` };
    await publish('down', 10, 35);
    await daemon.logged((line) => line.msg.startsWith('a sink takes no notifications'));
    await publish('down', 20, 25);
    await eventually('both are stored', async () => {
      const { rows } = await db.query(`SELECT FROM sensor_readings r JOIN sensors s ON s.id = r.sensor_id WHERE s.key = 'down'`);
      return rows.length === 2;
    }); // prettier-ignore
    expect(await daemon.end('SIGTERM')).toBe(0);
    hook.behaviour = { status: 200 };
    hook.calls.length = 0;
    await daemon.launch();
    await settled('down', 'resolved');
    expect(told('down', 'firing')).toBe(1);
    expect(await lines('down')).toEqual(['firing', 'resolved']);
  });

  it('no secret is in the log, in the alert log or in what the commands print', async () => {
    const config = await fieldwatch(['print-config', '--config', daemon.configFile], { cwd: daemon.dir });
    const texts = [JSON.stringify(daemon.log), await readFile(join(daemon.dir, 'alerts.log'), 'utf8'), config.stdout];
    const { rows } = await db.query('SELECT * FROM notify_sinks');
    for (const text of [...texts, JSON.stringify(rows)]) expect(text).not.toContain(SECRET);
    expect(config.stdout).toContain('token: "***"');
    expect(rows).toMatchObject([{ name: 'ops', last_error: expect.stringContaining('HTTP 503') }]);
  }); // prettier-ignore
});
