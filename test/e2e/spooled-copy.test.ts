import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Daemon } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/tools.ts';

const CLIENT = 'spooled-copy-test';

describeWith('mosquitto')(
  'statement 18: a message that comes again while its first copy lies in the spool',
  () => {
    let deployment: Deployment;
    let daemon: Daemon;
    const baseMs = Date.now() - 3_600_000;

    beforeAll(async () => {
      deployment = await openDeployment({ config: ['max_queued_messages 0', 'persistence true'] });
      daemon = await deployment.start({
        mqtt: { client_id: CLIENT },
        database: { connect_timeout: '2s' },
        alerts: { metrics: { humidity: { max: 80 }, temperature: { max_rise: 30 } } },
        ingest: { retry: { min: '50ms', max: '500ms' } },
        spool: { after: '1s' },
        http: { port: 0 },
      });
    });
    afterAll(() => deployment?.close());

    const acked = () => deployment.broker.count(`Received PUBACK from ${CLIENT}`);
    const send = (second: number, humidity: number, temperature: number) =>
      deployment.publish('s', { ts: baseMs + second * 1000, humidity, temperature });
    /** Each line once: SIGKILL may come before the spool has noted that a line is out, and then it comes once more. */
    const events = () => {
      const lines = daemon.log.filter((line) => line['alert_id'] !== undefined);
      return [
        ...new Map(
          lines.map((line) => [`${String(line['alert_id'])} ${String(line['event'])}`, line]),
        ).values(),
      ].map(({ event }) => String(event));
    };

    it('is evaluated once, and what follows is compared with it', async () => {
      await send(0, 50, 10);
      await deployment.stored(1);
      await eventually('batches go to the database', () => daemon.writesToDatabase());
      deployment.databaseLink.refuse();
      deployment.databaseLink.cut();
      await send(60, 90, 10);
      await daemon.logged(({ event, persisted }) => event === 'firing' && persisted === false);
      await eventually('the first breach is acknowledged', () => acked() === 2);
      // Spooled, alerted, and not acknowledged.
      deployment.brokerLink.swallow('up');
      for (const [second, value] of [[120, 91], [180, 60], [240, 85], [300, 70]] as const) await send(second, value, 20); // prettier-ignore
      await eventually(
        'both ends are logged',
        () => events().filter((each) => each === 'resolved').length === 2,
      );

      await daemon.end('SIGKILL');
      deployment.brokerLink.resume();
      await daemon.launch();
      await eventually('the copies are spooled', () => acked() === 6);
      deployment.databaseLink.resume();
      await send(360, 70, 55);
      await deployment.stored(7);
      await eventually('nothing is in flight', async () => (await daemon.conserved())['in_flight'] === 0);
      const rows = await deployment.rows(
        `SELECT alert_type, extract(epoch FROM time)::float8 * 1000 - $1 AS "atMs", value, resolved_value FROM sensor_alerts ORDER BY time`,
        [baseMs],
      );
      expect(rows).toEqual([
        { alert_type: 'humidity_high', atMs: 60_000, value: 90, resolved_value: 60 },
        { alert_type: 'humidity_high', atMs: 240_000, value: 85, resolved_value: 70 },
        { alert_type: 'temperature_rate_high', atMs: 360_000, value: 35, resolved_value: null },
      ]);
      expect(events()).toEqual(['firing', 'resolved', 'firing', 'resolved', 'firing']);
    });

    it('statement 6: is one dead letter, delivered to two processes; published anew it is two', async () => {
      const letters = () => deployment.count('dead_letters');
      const broken = () =>
        deployment.publisher.publishAsync('sensors/lab/s/readings', '{"broken', { qos: 1 });
      deployment.brokerLink.swallow('up');
      await broken();
      await eventually('it is a dead letter', async () => (await letters()) === 1);
      await daemon.end('SIGKILL');
      const before = acked();
      deployment.brokerLink.resume();
      await daemon.launch();
      await eventually('it is acknowledged', () => acked() === before + 1);
      expect(await letters()).toBe(1);
      await broken();
      await eventually('it is another one', async () => (await letters()) === 2);
    });
  },
);
