import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import type { Daemon } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { HttpServer } from '../support/http-server.ts';
import { describeWith } from '../support/tools.ts';

interface Notified {
  readonly status: string;
  readonly labels: Record<string, string>;
}

describeWith('mosquitto')('SIGHUP while notifications are on their way', () => {
  let deployment: Deployment;
  let publisher: MqttClient;
  let daemon: Daemon;
  const hooks: Record<string, HttpServer> = {};

  const hook = (name: string): HttpServer => {
    const found = hooks[name];
    if (found === undefined) throw new Error(`no hook ${name}`);
    return found;
  };
  /** `sink: hook`; the rest of the configuration stays as it is. */
  const config = (sinks: Readonly<Record<string, string>>) => `
mqtt: { url: "${deployment.broker.url}", client_id: notify-reload }
database: { url: "${deployment.database.url}", migrate_at_start: false }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json }]
alerts: { metrics: { temperature: { max: 30 } } }
notify:
${Object.entries(sinks).map(([name, at]) => `  - { name: ${name}, kind: webhook, url: "${hook(at).url}", group_by: ["..."], group_wait: 0s, timeout: 1m, retry: { min: 50ms, max: 500ms } }`).join('\n')}
scheduler: { enabled: false }
app_metrics: { enabled: false }
http: { enabled: false }
`; // prettier-ignore

  beforeAll(async () => {
    deployment = await openDeployment();
    for (const name of ['stays', 'old', 'new', 'gone', 'fresh']) hooks[name] = await HttpServer.start();
    publisher = await mqtt.connectAsync(deployment.broker.url);
    daemon = await deployment.daemon(config({ stays: 'stays', moves: 'old', goes: 'gone' }));
    await daemon.launch();
  });
  afterAll(async () => {
    await publisher?.endAsync();
    await Promise.all(Object.values(hooks).map((each) => each.stop()));
    await deployment?.close();
  });

  const publish = (device: string, temperature: number) =>
    publisher.publishAsync(`sensors/lab/${device}/readings`, JSON.stringify({ temperature }), { qos: 1 });
  const received = (name: string, device: string): string[] =>
    (hook(name).bodies as { alerts: Notified[] }[])
      .flatMap(({ alerts }) => alerts)
      .filter(({ labels }) => labels['sensor'] === device)
      .map(({ status }) => status);
  const receives = (name: string, device: string, statuses: readonly string[]) =>
    eventually(
      `${name} receives ${device}: ${statuses.join()}`,
      () => received(name, device).join() === statuses.join(),
    );
  const reload = async (sinks: Readonly<Record<string, string>>) => {
    const from = daemon.log.length;
    await writeFile(daemon.configFile, config(sinks));
    daemon.signal('SIGHUP');
    await daemon.logged(({ msg }) => msg === 'configuration reloaded', from);
  };
  const queued = async (sink: string, device: string) =>
    eventually(`${device} waits for ${sink}`, async () => {
      const rows = await deployment.rows(
        `SELECT FROM alert_deliveries d JOIN alert_outbox o USING (alert_id, seq)
          WHERE d.sink = $1 AND o.payload ->> 'sensorKey' = $2 AND d.done_at IS NULL`,
        [sink, device],
      );
      return rows.length > 0;
    });

  it('another address, one sink more, one less: what was on its way arrives, and the others are not affected', async () => {
    await publish('a', 35);
    for (const name of ['stays', 'old', 'gone']) await receives(name, 'a', ['firing']);

    for (const name of ['stays', 'old', 'gone']) hook(name).behaviour = 'hang';
    await publish('b', 35);
    for (const name of ['stays', 'old', 'gone']) await receives(name, 'b', ['firing']);
    const reloaded = reload({ stays: 'stays', moves: 'new', comes: 'fresh' });
    // An alert is raised while the sinks that hang are being stopped.
    await publish('c', 35);
    await reloaded;

    // The request hung at the old address: it is sent to the new one.
    await receives('new', 'b', ['firing']);
    await receives('new', 'c', ['firing']);
    expect(received('old', 'c')).toEqual([]);
    // The open request to the unchanged sink was not aborted.
    expect(received('stays', 'b')).toEqual(['firing']);
    hook('stays').behaviour = { status: 200 };
    hook('stays').hangUp();

    await publish('d', 35);
    await receives('fresh', 'd', ['firing']);
    await receives('new', 'd', ['firing']);
    await publish('a', 20);
    await publish('d', 20);
    // The beginning was sent to the sink of that name, at any address; a new sink gets no end of an episode that it never received.
    await receives('new', 'a', ['resolved']);
    await receives('fresh', 'd', ['firing', 'resolved']);
    // While the database is away, an end is sent where a beginning would be: possible on a busy machine, and in the log.
    const wasAway = daemon.log.some(({ msg }) => msg.startsWith('cannot write to the database'));
    if (!wasAway) expect({ a: received('fresh', 'a'), log: daemon.log.slice(-50) }).toMatchObject({ a: [] });
    expect(received('gone', 'd')).toEqual([]);
    await eventually(
      'the unchanged one receives all',
      () => received('stays', 'd').join() === 'firing,resolved',
    );
  });

  it('a sink that comes back receives what waited for it, and a refused file changes no sink', async () => {
    hook('gone').behaviour = { status: 200 };
    await queued('goes', 'b');
    await reload({ stays: 'stays', moves: 'new', goes: 'gone' });
    await eventually('what waited is sent', () => received('gone', 'b').length === 2);

    const good = config({ stays: 'stays', moves: 'new', goes: 'gone' });
    const from = daemon.log.length;
    await writeFile(daemon.configFile, good.replace('kind: webhook', 'kind: pigeon'));
    daemon.signal('SIGHUP');
    await daemon.logged(({ msg }) => msg.startsWith('reload refused'), from);
    await publish('e', 35);
    for (const name of ['stays', 'new', 'gone']) await receives(name, 'e', ['firing']);
  });

  it('without any sink the alerts go on; a restart finds the queues as they were', async () => {
    hook('gone').behaviour = { status: 503 };
    await publish('f', 35);
    await queued('goes', 'f');
    await reload({ stays: 'stays' });
    await daemon.end('SIGKILL');
    hook('gone').behaviour = { status: 200 };
    await writeFile(daemon.configFile, config({ goes: 'gone' }));
    await daemon.launch();
    await eventually('f is sent', async () => {
      const [row] = await deployment.rows<{ n: number }>(
        `SELECT count(*)::int AS n FROM alert_deliveries WHERE sink = 'goes' AND done_at IS NULL`,
      );
      return row?.n === 0;
    });
    expect(received('gone', 'f').length).toBeGreaterThanOrEqual(1);
  });
});
