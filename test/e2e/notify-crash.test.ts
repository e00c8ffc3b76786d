import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Daemon, fieldwatch } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { HttpServer } from '../support/http-server.ts';
import { type KillPoint, killAt } from '../support/kill-point.ts';
import { describeWith } from '../support/tools.ts';

/** The chunk that the daemon has just sent to the database, or gets from it, when it is killed; that chunk is lost. */
interface NotifyPoint extends KillPoint {
  /** How often the sink may have received the notification. */
  readonly deliveries: readonly number[];
}

// Twice where the machine is so slow that the notification was sent before the commit: the killed process did not record it.
const POINTS: readonly NotifyPoint[] = [
  { name: 'before the commit', direction: 'up', seen: /COMMIT/, deliveries: [1, 2] },
  { name: 'after the commit, before the log line', direction: 'down', seen: /COMMIT/, deliveries: [1, 2] },
  {
    name: 'after the log line, before its mark',
    direction: 'up',
    seen: /UPDATE alert_outbox/,
    deliveries: [1, 2],
  },
  {
    name: 'after the mark, before sending',
    direction: 'up',
    // Also where it was sent before the commit, and the queue is empty.
    seen: /SELECT count\(\*\)::int AS count FROM alert_deliveries/,
    deliveries: [1],
  },
  {
    name: 'after sending, before it is recorded',
    direction: 'up',
    // The records of what was sent from the queue, and of what was sent before the commit.
    seen: /outcome = \$5|now\(\), 'sent'/,
    deliveries: [2],
  },
];
const SECRET = 'hunter2-Sup3r';

describeWith('mosquitto')('SIGKILL of the daemon between commit, log line and sink', () => {
  let deployment: Deployment;
  let hook: HttpServer;
  let daemon: Daemon;

  beforeAll(async () => {
    deployment = await openDeployment();
    hook = await HttpServer.start();
    const retry = { min: '50ms', max: '1s' };
    daemon = await deployment.start({
      mqtt: { client_id: 'notify-crash', reconnect: { min: '50ms', max: '500ms' } },
      alerts: { metrics: { temperature: { max: 30 } } },
      notify: [
        {
          name: 'ops',
          kind: 'webhook',
          url: `${hook.url}/${SECRET}`,
          token: SECRET,
          secret: SECRET,
          retry,
          group_by: ['...'],
          group_wait: '0s',
        },
      ],
      app_metrics: { enabled: false },
      log: { alert_log: 'alerts.log', level: 'debug' },
    });
  });

  afterAll(async () => {
    await hook?.stop();
    await deployment?.close();
  });

  const publish = (device: string, seconds: number, temperature: number) =>
    deployment.publish(device, { ts: Date.now() - 60_000 + seconds * 1000, temperature });

  interface Notified {
    readonly status: string;
    readonly labels: Record<string, string>;
  }
  const received = (device: string, status: string) =>
    (hook.bodies as { alerts: Notified[] }[])
      .flatMap(({ alerts }) => alerts)
      .filter((alert) => alert.labels['sensor'] === device && alert.status === status).length;

  const lines = async (device: string) =>
    (await daemon.alertLog()).filter(({ sensor }) => sensor === device).map(({ event }) => event);
  const open = async () =>
    (await deployment.count('alert_deliveries WHERE done_at IS NULL')) +
    (await deployment.count('alert_outbox WHERE sent_at IS NULL'));
  const settled = (device: string, status: string) =>
    eventually(
      `${device} ${status} is delivered and recorded`,
      async () => received(device, status) > 0 && (await open()) === 0,
    );

  /** The next process has to make up for it. */
  const killedAt = (point: KillPoint, act: () => Promise<unknown>) =>
    killAt(point, deployment.databaseLink, daemon, act);

  it.each(POINTS.map((point, index) => [point.name, point, `s${index}`] as const))(
    '%s: one line, every episode delivered',
    async (_, point, device) => {
      await publish(device, 0, 20);
      await killedAt(point, () => publish(device, 10, 35));
      await settled(device, 'firing');
      await killedAt(point, () => publish(device, 20, 25));
      await settled(device, 'resolved');
      expect(await lines(device)).toEqual(['firing', 'resolved']);
      expect(point.deliveries).toContain(received(device, 'firing'));
      expect(point.deliveries).toContain(received(device, 'resolved'));
    },
  );

  it('while a request to the sink is open: it is sent again, and the log is not written again', async () => {
    hook.behaviour = 'hang';
    await publish('hung', 10, 35);
    await eventually('the request is under way', () => received('hung', 'firing') === 1);
    await daemon.end('SIGKILL');
    hook.behaviour = { status: 200 };
    await daemon.launch();
    await settled('hung', 'firing');
    expect(received('hung', 'firing')).toBe(2);
    expect(await lines('hung')).toEqual(['firing']);
  });

  it('a sink that is down delays no reading; after an orderly restart it receives all, in order', async () => {
    hook.behaviour = { status: 503, body: `no: ${SECRET}` };
    await publish('down', 10, 35);
    await daemon.logged((line) => line.msg.startsWith('sink refuses notifications'));
    await publish('down', 20, 25);
    const down = `sensor_readings r JOIN sensors s ON s.id = r.sensor_id WHERE s.key = 'down'`;
    await eventually('both are stored', async () => (await deployment.count(down)) === 2);
    expect(await daemon.end('SIGTERM')).toBe(0);
    hook.behaviour = { status: 200 };
    hook.calls.length = 0;
    await daemon.launch();
    await settled('down', 'resolved');
    expect(received('down', 'firing')).toBe(1);
    expect(await lines('down')).toEqual(['firing', 'resolved']);
  });

  it('no secret is in the log, in the alert log or in what the commands print', async () => {
    const config = await fieldwatch(['print-config', '--config', daemon.configFile], { cwd: daemon.dir });
    const rows = await deployment.rows('SELECT * FROM notify_sinks');
    for (const text of [daemon.log, await daemon.alertLog(), rows].map((each) => JSON.stringify(each)))
      expect(text).not.toContain(SECRET);
    expect(config.stdout).not.toContain(SECRET);
    expect(config.stdout).toContain('token: "***"');
    expect(rows).toMatchObject([{ name: 'ops', last_error: expect.stringContaining('HTTP 503') as unknown }]);
  });
});
