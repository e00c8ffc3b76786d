import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import type { Daemon } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { HttpServer } from '../support/http-server.ts';
import { describeWith } from '../support/tools.ts';

/** Sensors of each daemon; together less than makes a group. */
const DEVICES = ['s1', 's2', 's3', 's4'];
/** A lease, a look, and a machine that is busy. */
const LEASE_MS = 90_000;

interface Notified {
  readonly status: string;
  readonly labels: Record<string, string>;
}

describeWith('mosquitto')('two daemons and one sink', () => {
  let deployment: Deployment;
  let publisher: MqttClient;
  let hook: HttpServer;
  const daemons = new Map<string, Daemon>();
  let killed = '';

  const config = (id: string) => `
mqtt: { url: "${deployment.broker.url}", client_id: ${id} }
database: { url: "${deployment.database.url}", migrate_at_start: false }
routes: [{ topic: "${id}/{device}/readings", codec: json }]
alerts: { metrics: { temperature: { max: 30 } } }
notify: [{ name: ops, kind: webhook, url: "${hook.url}", group_by: ["..."], group_wait: 0s, retry: { min: 50ms, max: 500ms } }]
scheduler: { enabled: false }
app_metrics: { enabled: false }
http: { enabled: false }
`;

  beforeAll(async () => {
    deployment = await openDeployment();
    hook = await HttpServer.start();
    publisher = await mqtt.connectAsync(deployment.broker.url);
    for (const id of ['north', 'south']) {
      const daemon = await deployment.daemon(config(id));
      await daemon.launch();
      daemons.set(id, daemon);
    }
  });
  afterAll(async () => {
    await publisher?.endAsync();
    await hook?.stop();
    await deployment?.close();
  });

  const owner = async () => {
    const [row] = await deployment.rows<{ owner: string }>(
      `SELECT owner FROM notify_sinks WHERE name = 'ops'`,
    );
    return row?.owner ?? '';
  };
  const all = async (temperature: number) => {
    for (const id of daemons.keys())
      for (const device of DEVICES)
        await publisher.publishAsync(`${id}/${id}-${device}/readings`, JSON.stringify({ temperature }), {
          qos: 1,
        });
  };
  /** Deliveries of each sensor. */
  const deliveriesBySensor = (status: string) => {
    const times = new Map<string, number>();
    for (const { alerts } of hook.bodies as { alerts: Notified[] }[])
      for (const {
        status: its,
        labels: { sensor = '' },
      } of alerts)
        if (its === status) times.set(sensor, (times.get(sensor) ?? 0) + 1);
    return times;
  };
  const open = async () => {
    const [row] = await deployment.rows<{ n: number }>(
      `SELECT (SELECT count(*) FROM alert_deliveries WHERE done_at IS NULL)::int
            + (SELECT count(*) FROM alert_outbox WHERE sent_at IS NULL)::int AS n`,
    );
    return row?.n;
  };
  const queued = (count: number) =>
    eventually('all is queued', async () => (await open()) === count && (await deployment.rows(`SELECT FROM alert_outbox WHERE sent_at IS NULL`)).length === 0); // prettier-ignore
  it('one of them delivers the alerts of both; killed in the middle of it, the other continues: none lost, in order', async () => {
    hook.behaviour = { status: 503 };
    await all(35);
    await queued(2 * DEVICES.length);
    killed = await owner();
    // The sink has this one and does not acknowledge it: only this one is sent twice.
    hook.behaviour = 'hang';
    hook.calls.length = 0;
    await hook.until((calls) => calls.length > 0);
    await daemons.get(killed)?.end('SIGKILL');
    hook.behaviour = { status: 200 };
    await eventually('all is delivered and recorded', async () => (await open()) === 0, {
      withinMs: LEASE_MS,
    });
    expect(await owner()).toBe(otherThan(killed));
    const times = [...deliveriesBySensor('firing').values()].sort();
    expect(times).toEqual([...Array<number>(2 * DEVICES.length - 1).fill(1), 2]);
  }, 180_000);

  it('a daemon that stops in order hands the sink over at once; the ends are delivered once each', async () => {
    await daemons.get(killed)?.launch();
    const before = await owner();
    hook.behaviour = { status: 503 };
    await all(20);
    await queued(2 * DEVICES.length);
    expect(await owner()).toBe(before);
    await daemons.get(before)?.end('SIGTERM');
    hook.behaviour = { status: 200 };
    hook.calls.length = 0;
    await eventually('all is delivered and recorded', async () => (await open()) === 0, {
      withinMs: LEASE_MS,
    });
    expect(await owner()).toBe(otherThan(before));
    expect([...deliveriesBySensor('resolved').values()]).toEqual(Array(2 * DEVICES.length).fill(1));
  }, 180_000);
});

const otherThan = (id: string) => (id === 'north' ? 'south' : 'north');
