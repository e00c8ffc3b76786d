import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Daemon } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { type KillPoint, killAt } from '../support/kill-point.ts';
import { publishNumbered } from '../support/publish.ts';
import { describeWith } from '../support/tools.ts';

const COUNT = 10_000;
const HOUR_MS = 3_600_000;

const POINTS: readonly (KillPoint & { readonly link: 'brokerLink' | 'databaseLink' })[] = [
  {
    name: 'received',
    link: 'brokerLink',
    direction: 'down',
    seen: /sensors\/lab/,
    after: 20,
    delivered: true,
  },
  { name: 'decoded', link: 'databaseLink', direction: 'up', seen: /BEGIN/, after: 3 },
  { name: 'in COPY', link: 'databaseLink', direction: 'up', seen: /PGCOPY/, after: 6, delivered: true },
  { name: 'before COMMIT', link: 'databaseLink', direction: 'up', seen: /COMMIT/, after: 3 },
  { name: 'after COMMIT before ack', link: 'databaseLink', direction: 'down', seen: /COMMIT/, after: 3 },
];

describeWith('mosquitto')('statement 1: 10,000 numbered QoS 1 messages over mosquitto', () => {
  let deployment: Deployment;
  let daemon: Daemon;

  beforeAll(async () => {
    deployment = await openDeployment();
    daemon = await deployment.start({
      mqtt: { client_id: 'crash-test', receive_maximum: 2000, reconnect: { min: '50ms', max: '500ms' } },
      routes: [{ topic: 'sensors/{location}/{device}/readings', codec: 'json', extras: true }],
      ingest: { batch: { max_rows: 1000 } },
    });
  });
  afterAll(() => deployment?.close());

  const publish = (baseMs: number) => publishNumbered(deployment.broker.url, 0, COUNT, baseMs);
  const exactly = async (baseMs: number) => {
    const stored = () => deployment.numbered(baseMs, baseMs + COUNT);
    await eventually('all messages are stored', async () => (await stored()).ids >= COUNT, {
      withinMs: 90_000,
    });
    expect(await stored()).toEqual({ rows: COUNT, ids: COUNT });
  };

  it('are exactly 10,000 rows', async () => {
    const baseMs = Date.now() - 24 * HOUR_MS;
    await publish(baseMs);
    await exactly(baseMs);
  });

  it.each(POINTS.map((point, index) => [point.name, point, index] as const))(
    'are exactly 10,000 rows after SIGKILL of the daemon: %s',
    async (_, point, index) => {
      const baseMs = Date.now() - (index + 1) * HOUR_MS;
      await killAt(point, deployment[point.link], daemon, () => publish(baseMs));
      await exactly(baseMs);
    },
  );
});
