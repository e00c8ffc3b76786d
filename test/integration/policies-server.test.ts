import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import {
  TimescaleCluster,
  describeCluster,
  statementsOf,
  type OwnedDatabase,
} from '../support/timescale-cluster.ts';

/** What is wrong with the server or the database as a whole: one finding, whose remedy is run as it stands. */
describeCluster('a server that takes rows and loses them', () => {
  let cluster: TimescaleCluster;
  let db: OwnedDatabase;
  beforeAll(async () => {
    cluster = await TimescaleCluster.start();
    db = await cluster.database('fieldwatch');
    await db.owner(`INSERT INTO sensors (key) VALUES ('a')`, insert(0), insert(1));
    expect(await db.verify()).toEqual([]);
  }, 180_000);
  afterAll(() => cluster.stop());
  afterEach(async () => expect(await db.verify()).toEqual([]));

  const insert = (minute: number, values = '20, NULL') =>
    `INSERT INTO sensor_readings (time, sensor_id, temperature, humidity)
     VALUES (date_trunc('hour', now()) - INTERVAL '${minute} minutes', 1, ${values})`;
  const readings = () =>
    db.owner(`SELECT temperature, humidity FROM sensor_readings ORDER BY time DESC, temperature, humidity`);

  test('a restore that was not ended, and the rows that went to root tables meanwhile', async () => {
    await db.root('SELECT timescaledb_pre_restore()');
    await db.owner(
      ...[insert(2), insert(1, '99, 50')],
      `INSERT INTO dead_letters (received_at, topic, payload, reason) VALUES (now(), 't', '', 'r')`,
      `INSERT INTO app_metrics (time, host, metric_name, value) VALUES (now(), 'h', 'm', 1), (now(), 'h', 'm', 1)`,
    );
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      ...{ check: 'server', severity: 'critical' },
      actual: expect.stringContaining('timescaledb.restoring = on'),
    });
    await db.root(statementsOf(finding?.remedy ?? ''));
    expect(await readings()).toHaveLength(2);
    const lost = await db.verify();
    expect(lost).toMatchObject([
      { check: 'root_rows', subject: 'app_metrics', actual: expect.stringContaining('2 rows in the root') },
      { subject: 'dead_letters', actual: expect.stringContaining('1 row in the root') },
      { subject: 'sensor_readings', actual: expect.stringContaining('2 rows in the root') },
    ]);
    for (const { remedy } of lost) await db.root(statementsOf(remedy));
    // What was stored stays, and the value that it lacked is filled in.
    expect(await readings()).toEqual([
      { temperature: 20, humidity: null },
      { temperature: 20, humidity: 50 },
      { temperature: 20, humidity: null },
    ]);
    const [counts] = await db.owner(`SELECT (SELECT count(*)::int FROM dead_letters) AS letters,
      (SELECT count(*)::int FROM app_metrics) AS figures`);
    expect(counts).toEqual({ letters: 1, figures: 2 });
  });

  test('the library is not loaded any more', async () => {
    await cluster.restart({ preload: false });
    const findings = await db.verify();
    expect(findings).toMatchObject([
      {
        ...{ check: 'server', severity: 'critical' },
        actual: expect.stringContaining('not among shared_preload_libraries'),
        remedy: expect.stringContaining(`shared_preload_libraries = 'timescaledb'`),
      },
    ]);
    // The line of the remedy is the one that the server has in its file.
    await cluster.restart({ preload: true });
  });

  test('loading it is switched off for the database', async () => {
    await db.root(`ALTER DATABASE fieldwatch SET timescaledb.disable_load = on`);
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ actual: expect.stringContaining('timescaledb.disable_load = on') });
    await db.root(statementsOf(finding?.remedy ?? '').split('; ')[0] ?? '');
  });
});
