import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mqtt from 'mqtt';
import type { Daemon } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { publishSteadily } from '../support/publish.ts';
import { rounds } from '../support/rounds.ts';
import { describeWith } from '../support/tools.ts';

const HOUR_MS = 3_600_000;
const RESTARTS = rounds(4, 20);

describeWith('mosquitto')('daemons that come and go under load', () => {
  let deployment: Deployment;
  beforeAll(async () => {
    deployment = await openDeployment();
  });
  afterAll(() => deployment?.close());

  const config = (clientId: string, more = '', mqttMore = '') => `
mqtt: { url: "${deployment.broker.url}", client_id: ${clientId}${mqttMore} }
database: { url: "${deployment.database.url}", migrate_at_start: false }
routes: [{ topic: "sensors/{location}/{device}/readings", codec: json, extras: true }]
scheduler: { enabled: false }
http: { enabled: false }
${more}`;

  /** Publishes while `meanwhile` happens; then every message is one row, and there is no other. */
  async function exactly(baseMs: number, perSecond: number, meanwhile: () => Promise<void>): Promise<number> {
    const stop = new AbortController();
    const publishing = publishSteadily(deployment.broker.url, baseMs, perSecond, stop.signal);
    try {
      await meanwhile();
    } finally {
      stop.abort();
    }
    const sent = await publishing;
    const stored = () => deployment.numbered(baseMs, baseMs + sent);
    await eventually('every message is stored', async () => (await stored()).ids >= sent, {
      withinMs: 90_000,
    });
    expect(await stored()).toEqual({ rows: sent, ids: sent });
    return sent;
  }

  it('statement 19: rolling restarts by SIGTERM under load lose nothing and store nothing twice', async () => {
    const daemon = await deployment.daemon(config('rolling'));
    await daemon.launch();
    const sent = await exactly(Date.now() - 2 * HOUR_MS, 400, async () => {
      for (let restart = 0; restart < RESTARTS; restart++) {
        expect(await daemon.end('SIGTERM')).toBe(0);
        await daemon.launch();
      }
    });
    expect(sent).toBeGreaterThan(RESTARTS * 20);
    // Each of them wrote and acknowledged what it held before it went.
    expect(daemon.log.filter(({ msg }) => msg.startsWith('stopped before all messages were stored'))).toEqual(
      [],
    );
    await daemon.end('SIGTERM');
  }, 400_000);

  it('statement 21: two daemons of one share group, one of them killed: nothing lost, no row and no alert twice', async () => {
    const shared = ', share_group: crew';
    const rules = 'alerts: { metrics: { humidity: { max: 90 } } }';
    const member = async (id: string): Promise<Daemon> => {
      const daemon = await deployment.daemon(config(id, rules, shared));
      await daemon.launch();
      return daemon;
    };
    const [one, two] = [await member('member-1'), await member('member-2')];
    const baseMs = Date.now() - HOUR_MS;
    const wet = Array.from({ length: 40 }, (_, n) => `wet-${n}`);
    await exactly(baseMs, 400, async () => {
      await stepped(baseMs, 0.3);
      // In the middle of everything, among them readings that breach a threshold.
      const breaching = breach(wet, baseMs - HOUR_MS);
      one.signal('SIGKILL');
      await Promise.all([one.ended(), breaching]);
      await stepped(baseMs, 0.6);
      await one.launch();
    });
    const alerts = () =>
      deployment.rows<{ alerts: number; sensors: number }>(
        'SELECT count(*)::int AS alerts, count(DISTINCT sensor_id)::int AS sensors FROM sensor_alerts',
      );
    await eventually('every breach has its alert', async () => (await alerts())[0]?.sensors === wet.length);
    expect(await alerts()).toEqual([{ alerts: wet.length, sensors: wet.length }]);
    // Both had their share.
    for (const id of ['member-1', 'member-2'])
      expect(deployment.broker.count(`Received PUBACK from ${id}`)).toBeGreaterThan(50);
    await Promise.all([one.end(), two.end()]);
  }, 400_000);

  it('a member whose start fails leaves nothing behind that the others wait for', async () => {
    const [group, taken] = [', share_group: short', createServer()];
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const one = await deployment.daemon(config('short-1', '', group));
    const two = await deployment.daemon(
      config('short-2', '', group).replace('http: { enabled: false }', `http: { port: ${port} }`),
    );
    await one.launch();
    two.spawn();
    expect(await two.ended()).toBe(2);
    taken.close();
    const members = await deployment.rows<{ id: string }>(
      "SELECT split_part(member, ' ', 1) AS id FROM share_members WHERE group_name = 'short'",
    );
    expect(members).toEqual([{ id: 'short-1' }]);
    await one.end();
  }, 120_000);

  /** Until so many seconds' worth of messages has been stored since `baseMs`: an event to wait for, not a time. */
  const stepped = (baseMs: number, seconds: number) =>
    eventually(
      'more is stored',
      async () => (await deployment.numbered(baseMs, baseMs + HOUR_MS)).ids > seconds * 400,
    );

  /** One reading above the threshold for each of these sensors. */
  async function breach(devices: readonly string[], timeMs: number): Promise<void> {
    const client = await mqtt.connectAsync(deployment.broker.url, { protocolVersion: 5 });
    const payload = JSON.stringify({ ts: timeMs, humidity: 95 });
    await Promise.all(
      devices.map((device) => client.publishAsync(`sensors/lab/${device}/readings`, payload, { qos: 1 })),
    );
    await client.endAsync();
  }
});
