import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Daemon } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { publishNumbered } from '../support/publish.ts';
import { describeWith } from '../support/tools.ts';

const COUNT = 500;

describeWith('mosquitto')('statement 2: the database away for more than three keepalive periods', () => {
  let deployment: Deployment;
  let daemon: Daemon;

  beforeAll(async () => {
    deployment = await openDeployment();
    daemon = await deployment.start({
      mqtt: { client_id: 'outage-test', keepalive: '1s' },
      database: { statement_timeout: '1s', connect_timeout: '1s' },
      ingest: { retry: { min: '50ms', max: '500ms' } },
    });
  });
  afterAll(() => deployment?.close());

  const pings = () => deployment.broker.count('Received PINGREQ from outage-test');
  const connects = () => daemon.log.filter((line) => line.msg === 'mqtt: connected').length;

  it.each([
    ['refuses connections', ({ databaseLink }: Deployment) => (databaseLink.refuse(), databaseLink.cut()), 1],
    ['stalls without a word', ({ databaseLink }: Deployment) => databaseLink.stall(), 2],
  ])('keeps the MQTT connection and stores all when it is back: it %s', async (_, breakIt, hours) => {
    const baseMs = Date.now() - hours * 3_600_000;
    const before = daemon.log.length;
    breakIt(deployment);
    await publishNumbered(deployment.broker.url, 0, COUNT, baseMs);
    await daemon.logged(({ msg }) => msg.startsWith('cannot write to the database'), before);
    const since = pings();
    await eventually('four more pings', () => pings() >= since + 4);
    deployment.databaseLink.resume();
    // A stalled connection stays dead for the daemon even when bytes flow again: it has given it up.
    await daemon.logged(({ msg }) => msg === 'database accepts writes again', before);
    const stored = () => deployment.numbered(baseMs, baseMs + COUNT);
    await eventually('all is stored', async () => (await stored()).rows === COUNT);
    expect(connects()).toBe(1);
  });
});
