import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { rulesCommand } from '../../../src/cli/rules/index.ts';
import { runCli } from '../../support/cli.ts';
import { DASHBOARDS, filled, targetsOf } from '../../support/dashboards.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { describeWith } from '../../support/tools.ts';

const root = join(import.meta.dirname, '../../..');
const HOSTILE = `s'1"; --`;
const HOUR_MS = 3_600_000;

describe('queries of the dashboards', () => {
  let database: TestDatabase;
  let client: pg.Client;
  /** Time that the rows below are relative to: each range of whole hours holds them. */
  const now = new Date();

  beforeAll(async () => {
    database = await openTestDatabase({ migrated: true });
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(await readFile(join(root, 'sql/roles/roles.sql'), 'utf8'));
    await client.query(
      `INSERT INTO sensors (key, name, location, type, tags) VALUES ($1, 'Freezer', 'cellar', 'climate', '{cold}'), ('s2', NULL, NULL, NULL, '{}')`,
      [HOSTILE],
    );
    await client.query(`INSERT INTO metrics (name, unit) VALUES ('power', 'W')`);
    await client.query(`INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, pressure, battery, rssi)
      SELECT t, 1, 20, 50, 1000, 90, -70 FROM generate_series(now() - INTERVAL '3 days', now(), INTERVAL '10 minutes') t`);
    await client.query(`INSERT INTO sensor_metrics (time, sensor_id, metric_id, value)
      SELECT t, 1, 1, 230 FROM generate_series(now() - INTERVAL '3 days', now(), INTERVAL '10 minutes') t`);
    await client.query(`INSERT INTO sensor_alerts (time, sensor_id, alert_type, message, value, threshold, alert_id, severity,
        started_at, resolved_at, acked_at, metric, kind, side)
      VALUES (now() - INTERVAL '1 hour', 1, 'temperature_high', 'hot', 31, 30, gen_random_uuid(), 'critical',
        now() - INTERVAL '1 hour', now() - INTERVAL '50 minutes', now() - INTERVAL '55 minutes', 'temperature', 'threshold', 'high')`);
    // One that is open for each other metric with a column.
    await client.query(`INSERT INTO sensor_alerts (time, sensor_id, alert_type, message, value, threshold, alert_id, severity, started_at, metric, kind, side)
      SELECT now() - INTERVAL '30 minutes', 1, metric || '_low', metric || ' is low', 10, 20, gen_random_uuid(), 'warning', now() - INTERVAL '30 minutes',
        metric, 'threshold', 'low' FROM unnest('{humidity,pressure,battery,rssi,power}'::text[]) metric`);
    await client.query(`INSERT INTO system_alerts (alert_id, alert_type, subject, severity, message, started_at, seq)
      VALUES (gen_random_uuid(), 'policy_disk', 'disk', 'warning', 'fills up', now(), 1)`);
    await client.query(
      `INSERT INTO dead_letters (received_at, topic, payload, reason) VALUES (now() - INTERVAL '5 minutes', 't', '', 'not_json')`,
    );
    await client.query(
      `INSERT INTO app_metrics (time, host, metric_name, value) VALUES (now() - INTERVAL '5 minutes', 'h', 'fieldwatch_database_size_bytes', 1e6)`,
    );
    for (const [view, end] of [
      ['sensor_hourly_agg', '1 hour'],
      ['sensor_daily_agg', '1 day'],
      ['sensor_metrics_hourly_agg', '1 hour'],
      ['sensor_metrics_daily_agg', '1 day'],
    ])
      await client.query(`CALL refresh_continuous_aggregate('${view}', NULL, now() - INTERVAL '${end}')`);
    await client.query('SET ROLE fieldwatch_dashboard');
  }, 180_000);
  afterAll(async () => {
    await client.end();
    await database.close();
  });

  const variables = {
    sensor: [HOSTILE],
    location: ['cellar', ''],
    type: ['climate', ''],
    severity: ['critical', 'warning', 'info'],
    metric: ['power'],
  };
  const run = (sql: string, rangeMs: number, to = now) =>
    client.query<Record<string, unknown>>(
      filled(sql, { from: new Date(to.getTime() - rangeMs), to, intervalMs: rangeMs / 1000, variables }),
    );

  const queries = DASHBOARDS.flatMap((dashboard) =>
    targetsOf(dashboard).flatMap(([title, { rawSql, format }]) =>
      rawSql === undefined ? [] : [{ dashboard: dashboard.file, title, rawSql, format }],
    ),
  );

  test('there are queries', () => expect(queries.length).toBeGreaterThan(30));

  test.each(queries)(
    '$dashboard: $title finds what is there, as a role that may only read',
    async (query) => {
      const { rows, fields } = await run(query.rawSql, 72 * HOUR_MS);
      expect(rows.length).toBeGreaterThan(0);
      if (query.format !== 'time_series') return;
      // As Grafana takes a time series: a time, numbers, and at most the name of the series.
      expect(fields[0]?.name).toBe('time');
      for (const row of rows) {
        expect(row['time']).toBeInstanceOf(Date);
        const [value] = Object.entries(row).flatMap(([name, cell]) =>
          name === 'time' || name === 'metric' ? [] : [cell],
        );
        expect([value === null, Number.isFinite(Number(value))]).toEqual([false, true]);
      }
    },
  );

  test.each([15 / 60, 24 * 30, 24 * 365 * 5])('a sensor over %d hours', async (hours) => {
    const temperature = queries.find(({ title }) => title === 'Temperature (A)')?.rawSql ?? '';
    // To the end of today: the daily aggregate has a row at the beginning of each day.
    const { rows } = await run(temperature, hours * HOUR_MS);
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(row).toMatchObject({ temperature: 20, lowest: 20, highest: 20 });
    const power = queries.find(({ title }) => title === '${metric} (A)')?.rawSql ?? '';
    const further = (await run(power, hours * HOUR_MS)).rows;
    expect(new Set(further.map(({ metric }) => metric))).toEqual(new Set(['power (W)', 'lowest', 'highest']));
    for (const row of further) expect(row).toMatchObject({ value: 230 });
  });

  test('an empty database is no error', async () => {
    const long = 365 * 24 * HOUR_MS;
    for (const { rawSql } of queries) await run(rawSql, HOUR_MS, new Date(now.getTime() - 10 * long));
  });
});

describeWith('promtool')('rules and expressions', () => {
  let folder: string;
  beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'fieldwatch-rules-'))));
  afterAll(() => rm(folder, { recursive: true }));
  const promtool = (...args: string[]) => promisify(execFile)('promtool', args);
  const rules = join(root, 'config/prometheus/rules.yml');

  test('the configuration and the rules are valid', async () => {
    const { stdout } = await promtool('check', 'config', join(root, 'config/prometheus/prometheus.yml'));
    expect(stdout).toMatch(/\d+ rules found/);
  });

  test('each rule fires when it should, and is quiet before', async () => {
    const file = join(folder, 'rules.test.yaml');
    const cases = await readFile(join(root, 'test/fixtures/prometheus-rules.test.yaml'), 'utf8');
    await writeFile(file, cases.replace('[RULES]', `[${JSON.stringify(rules)}]`));
    expect((await promtool('test', 'rules', file)).stdout).toContain('SUCCESS');
  });

  test('exported alert rules are valid, and fire with the alerts of the daemon alone', async () => {
    const config = join(folder, 'fieldwatch.yaml');
    const metrics = {
      temperature: { max: 30, levels: [{ severity: 'critical', max: 40 }], runbook: 'https://wiki.example/heat', labels: { team: 'lab' } },
      'wunderlich."\\|(*{{': { max: 1 },
      '*': { no_data_after: '1h' },
    }; // prettier-ignore
    const alerts = {
      offline_after: 'auto',
      metrics,
      counts: [{ name: 'many', of: { severity: 'critical' }, at_least: 2 }],
    };
    await writeFile(config, JSON.stringify({ alerts }));
    const { out } = await runCli(rulesCommand, ['export', '--prometheus', '--config', config]);
    const file = join(folder, 'alerts.yml');
    await writeFile(file, out);
    expect((await promtool('check', 'rules', file)).stdout).toContain('8 rules found');
    const state = (labels: string) => `fieldwatch_alert_state{job="fieldwatch", instance="i", ${labels}}`;
    const firing = (sensor: string, type: string) => [{ exp_labels: { sensor, type, severity: 'critical', job: 'fieldwatch', team: 'lab' }, exp_annotations: { summary: `${sensor}: ${type}, critical`, runbook_url: 'https://wiki.example/heat' } }]; // prettier-ignore
    const cases = {
      rule_files: [file],
      evaluation_interval: '1m',
      tests: [
        {
          interval: '1m',
          input_series: [
            // It recovers and is firing again: one alert for Prometheus.
            { series: state('sensor="a", type="temperature_high", severity="critical", state="firing"'), values: '1x4 _x2 1x9' },
            { series: state('sensor="a", type="temperature_high", severity="critical", state="recovering"'), values: '_x4 1x2 _x9' },
            { series: state('sensor="b", type="co2_no_data", severity="warning", state="firing"'), values: '1x15' },
            { series: 'fieldwatch_alert_states_left_out{instance="i"}', values: '0x15' },
          ],
          alert_rule_test: [
            { eval_time: '3m', alertname: 'temperature_high', exp_alerts: firing('a', 'temperature_high') },
            { eval_time: '6m', alertname: 'temperature_high', exp_alerts: firing('a', 'temperature_high') },
            { eval_time: '9m', alertname: 'temperature_high', exp_alerts: firing('a', 'temperature_high') },
            { eval_time: '9m', alertname: 'offline', exp_alerts: [] },
            { eval_time: '9m', alertname: 'fieldwatch_alert_states_left_out', exp_alerts: [] },
            {
              eval_time: '9m',
              alertname: 'any_metric_no_data',
              exp_alerts: [{ exp_labels: { sensor: 'b', type: 'co2_no_data', severity: 'warning', job: 'fieldwatch' }, exp_annotations: { summary: 'b: co2_no_data, warning' } }],
            },
          ],
        },
      ],
    }; // prettier-ignore
    const tests = join(folder, 'alerts.test.json');
    await writeFile(tests, JSON.stringify(cases));
    expect((await promtool('test', 'rules', tests)).stdout).toContain('SUCCESS');
  });

  test('each expression of a panel is PromQL', async () => {
    const expressions = DASHBOARDS.flatMap((dashboard) =>
      targetsOf(dashboard).flatMap(([, { expr }]) =>
        expr === undefined
          ? []
          : [expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', 'a:9464|b:9464')],
      ),
    );
    expect(expressions.length).toBeGreaterThan(20);
    const file = join(folder, 'panels.json');
    const recorded = expressions.map((expr, n) => ({ record: `panel:${n}`, expr }));
    await writeFile(file, JSON.stringify({ groups: [{ name: 'panels', rules: recorded }] }));
    expect((await promtool('check', 'rules', file)).stdout).toContain(`${expressions.length} rules found`);
  });
});
