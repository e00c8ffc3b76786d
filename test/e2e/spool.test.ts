import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { alertsCommand } from '../../src/cli/alerts/index.ts';
import { runCli } from '../support/cli.ts';
import type { Daemon, LogLine } from '../support/daemon.ts';
import { type Deployment, openDeployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { publishNumbered } from '../support/publish.ts';
import { describeWith } from '../support/tools.ts';

const COUNT = 300;

describeWith('mosquitto')('statement 18: the database away for longer than spool.after', () => {
  let deployment: Deployment;
  let daemon: Daemon;
  const baseMs = Date.now() - 3_600_000;

  beforeAll(async () => {
    deployment = await openDeployment({ config: ['max_queued_messages 0', 'persistence true'] });
    daemon = await deployment.start({
      mqtt: { client_id: 'spool-test' },
      database: { connect_timeout: '2s' },
      // Not history: of an alert of history that is still open there is a second line after a minute.
      alerts: { metrics: { humidity: { max: 80, hysteresis: 1 } }, backfill_after: '3h' },
      ingest: { retry: { min: '50ms', max: '500ms' } },
      spool: { after: '1s' },
      http: { port: 0 },
    });
  });
  afterAll(() => deployment?.close());

  const acked = () => deployment.broker.count('Received PUBACK from spool-test');
  const humidity = (device: string, second: number, value: number) =>
    deployment.publish(device, { ts: baseMs + 1_000_000 + second * 1000, humidity: value });
  const publish = (from: number, to: number) => publishNumbered(deployment.broker.url, from, to, baseMs);
  const readings = () => deployment.count('sensor_readings');
  /** Also of the spool, which is done a moment after the last row is there: an outage that begins before that is the same one. */
  const settled = () =>
    eventually('nothing is in flight', async () => {
      if ((await daemon.conserved())['in_flight'] !== 0) return false;
      return /^fieldwatch_spool_active 0$/m.test((await daemon.get('/metrics')).text);
    });
  const lines = (device: string): LogLine[] =>
    daemon.log.filter((line) => line['alert_id'] !== undefined && line['sensor'] === device);
  const alerts = () =>
    deployment.rows<{ key: string; resolved: boolean }>(
      `SELECT s.key, a.resolved_at IS NOT NULL AS resolved FROM sensor_alerts a
         JOIN sensors s ON s.id = a.sensor_id ORDER BY s.key`,
    );

  it.each([
    [
      'refuses connections',
      'SIGKILL',
      ({ databaseLink }: Deployment) => (databaseLink.refuse(), databaseLink.cut()),
    ],
    ['stalls without a word', 'SIGTERM', ({ databaseLink }: Deployment) => databaseLink.stall()],
  ] as const)('acknowledges, alerts, survives and stores all once: it %s', async (_, signal, breakIt) => {
    const round = signal === 'SIGKILL' ? 0 : 1;
    const [known, fresh] = [`known${round}`, `fresh${round}`];
    const from = round * 2 * COUNT;
    const storedBefore = await readings();
    const alertsBefore = await alerts();
    await humidity(known, 0, 50);
    await publish(from, from + COUNT);
    await deployment.stored(storedBefore + COUNT + 1);
    await eventually('batches go to the database', () => daemon.writesToDatabase());

    breakIt(deployment);
    const before = acked();
    await humidity(known, 1, 90);
    await humidity(fresh, 1, 91);
    await publish(from + COUNT, from + 2 * COUNT);
    await eventually('all is acknowledged', () => acked() >= before + COUNT + 2);
    expect(await readings()).toBe(storedBefore + COUNT + 1);
    const line = await daemon.logged((each) => each['sensor'] === known && each['event'] === 'firing');
    expect(line).toMatchObject({ persisted: false });
    await humidity(known, 2, 60);
    await eventually('the end of the breach is logged', () => lines(known).length === 2);
    // The spool marks logged lines before it accepts the next message: without the mark a line is logged again.
    const noted = acked();
    await humidity(known, 3, 60);
    await eventually('the note is on disk', () => acked() > noted);
    expect(await daemon.conserved()).toMatchObject({ in_flight: COUNT + 4 });

    await daemon.end(signal);
    deployment.databaseLink.resume();
    await daemon.launch();
    await deployment.stored(storedBefore + 2 * COUNT + 5);
    await settled();
    expect(await alerts()).toEqual([
      ...(round === 0 ? [] : alertsBefore.slice(0, 1)),
      { key: fresh, resolved: false },
      ...(round === 0 ? [] : alertsBefore.slice(1)),
      { key: known, resolved: true },
    ]);
    expect(lines(known).map(({ event, persisted }) => [event, persisted])).toEqual([
      ['firing', false],
      ['resolved', false],
    ]);
    // Whole: a second one would say by its time, id and seq where it came from.
    expect(lines(fresh)).toEqual([expect.objectContaining({ event: 'firing', persisted: true })]);
    // A line is marked as sent after it was written.
    await eventually(
      'every line is marked as sent',
      async () => (await deployment.count('alert_outbox WHERE sent_at IS NULL')) === 0,
    );
  });

  it('goes on without a restart, and writes to the database again before the spool is empty', async () => {
    const from = 4 * COUNT;
    const storedBefore = await readings();
    deployment.databaseLink.refuse();
    deployment.databaseLink.cut();
    const before = acked();
    await publish(from, from + COUNT);
    await eventually('all is acknowledged', () => acked() >= before + COUNT);
    const logged = daemon.log.length;
    deployment.databaseLink.resume();
    await daemon.logged(({ msg }) => msg === 'database accepts writes again', logged);
    await publish(from + COUNT, from + 2 * COUNT);
    await deployment.stored(storedBefore + 2 * COUNT);
    await settled();
  });

  it('an operator’s command waits while the spool is in use, and is carried out once', async () => {
    await humidity('asked', 1000, 95);
    await eventually('the alert is stored', async () => (await alerts()).some(({ key }) => key === 'asked'));
    await settled();
    const from = daemon.log.length;
    deployment.databaseLink.refuse();
    deployment.databaseLink.cut();
    await humidity('asked', 1001, 96);
    await daemon.logged(({ msg }) => msg === 'database unreachable, spooling messages', from);
    const ask = ['ack', 'asked', 'humidity_high', '--by', 'ann', '--no-wait'];
    const env = { FIELDWATCH_DATABASE_URL: deployment.database.url };
    const { code } = await runCli(alertsCommand, ask, { env });
    expect(code).toBe(0);
    deployment.databaseLink.resume();
    await daemon.logged(({ msg }) => msg === 'alert acknowledged by an operator', from);
    const rows = await deployment.rows(
      `SELECT a.acked_by, c.outcome FROM alert_commands c JOIN sensor_alerts a USING (sensor_id, alert_type)
        WHERE a.resolved_at IS NULL`,
    );
    expect(rows).toEqual([{ acked_by: 'ann', outcome: 'done' }]);
    await settled();
    const carriedOut = daemon.log.filter(({ msg }) => msg === 'alert acknowledged by an operator');
    expect(carriedOut).toHaveLength(1);
  });
});
