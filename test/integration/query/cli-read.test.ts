import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import mqtt from 'mqtt';
import pg from 'pg';
import { alertsCommand } from '../../../src/cli/alerts/index.ts';
import { deadLettersCommand } from '../../../src/cli/dead-letters/index.ts';
import { metricsCommand } from '../../../src/cli/metrics.ts';
import { readingsCommand } from '../../../src/cli/readings/index.ts';
import { sensorsCommand } from '../../../src/cli/sensors/index.ts';
import { runCli, startCli } from '../../support/cli.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { Mosquitto } from '../../support/mosquitto.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

const MINUTE_MS = 60_000;
/** Whole minutes, the newest a few back: inside every default range, not in the future. */
const NOW = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
const ago = (minutes: number): Date => new Date(NOW - minutes * MINUTE_MS);
const LETTER = '6f9619ff-8b86-4d01-b42d-00cf4fc964ff';

let database: TestDatabase;
let db: pg.Pool;
let env: Record<string, string>;
const run = (text: string, ...values: unknown[]) => db.query(text, values);

beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  db = new pg.Pool({ connectionString: database.url, max: 1 });
  db.on('error', () => {});
  env = { FIELDWATCH_DATABASE_URL: database.url };
  await run(`INSERT INTO sensors (id, key, location, type, tags, declared) VALUES
    (1, 'coldroom-01', 'coldroom', 'probe', '{cold}', true), (2, 'green"house,2', 'greenhouse', NULL, '{}', false)`);
  await run(`INSERT INTO metrics (id, name, unit) VALUES (1, 'co2', 'ppm')`);
  for (const minutes of [1, 2, 3, 4, 5])
    await run(
      'INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES ($1, 1, $2)',
      ago(minutes),
      4 + minutes,
    );
  await run('INSERT INTO sensor_readings (time, sensor_id, humidity) VALUES ($1, 2, 61.25)', ago(2));
  await run('INSERT INTO sensor_metrics (time, sensor_id, metric_id, value) VALUES ($1, 1, 1, 412)', ago(2));
  for (const [id, minutes, reason] of [
    [LETTER, 30, 'parse_error'],
    ['6f9619ff-8b86-4d01-b42d-00cf4fc964f0', 10, 'no_device'],
  ])
    await run(
      'INSERT INTO dead_letters (id, received_at, topic, payload, reason) VALUES ($1, $2, $3, $4, $5)',
      id,
      ago(Number(minutes)),
      'a/b',
      Buffer.from(reason === 'no_device' ? [0xff, 0x00] : '{"x\u001b[2J'),
      reason,
    );
});
afterAll(async () => {
  await db.end();
  await database.close();
});

const alertRow = (minutes: number, type: string, more: Record<string, unknown> = {}) => {
  const row = {
    time: ago(minutes),
    sensor_id: 1,
    alert_type: type,
    message: 'm',
    value: 9.4,
    threshold: 8,
    ...more,
  };
  const names = Object.keys(row);
  const text = `INSERT INTO sensor_alerts (${names.join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')})`;
  return run(text, ...Object.values(row));
};

const lines = (out: string): unknown[] =>
  out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

describe('readings', () => {
  const readings = (...args: string[]) => runCli(readingsCommand, args, { env });

  test('latest, as a table', async () => {
    const { out, code } = await readings('latest');
    expect(code).toBe(0);
    const [head, first, second] = out.split('\n');
    // What a sensor has, with its unit, and no column without a value.
    expect(head?.split(/ {2,}/)).toEqual([
      ...['sensor', 'location', 'time'],
      ...['temperature °C', 'humidity %', 'co2 ppm'],
    ]);
    expect(first).toMatch(/^coldroom-01 +coldroom +\d{4}-\d\d-\d\d \d\d:\d\d:00Z +5 +- +412$/);
    expect(second).toMatch(/^green"house,2 +greenhouse .* 61\.25 +-$/);
    const [json] = lines((await readings('latest', '--sensor', 'coldroom-01', '--json')).out);
    expect(json).toMatchObject({
      ...{ sensor: 'coldroom-01', time: ago(1).toISOString(), temperature: 5, humidity: null },
      metrics: [
        { metric: 'temperature', value: 5, unit: '°C', time: ago(1).toISOString() },
        { metric: 'co2', value: 412, unit: 'ppm', time: ago(2).toISOString() },
      ],
    });
  });

  test('recent, as JSON lines, as CSV, of a metric in another table', async () => {
    const json = await readings('recent', '--sensor', 'coldroom-01', '--limit', '2', '--json');
    expect(lines(json.out)).toMatchObject([
      { time: ago(1).toISOString(), sensor: 'coldroom-01', temperature: 5 },
      { time: ago(2).toISOString(), temperature: 6, metrics: { temperature: 6, co2: 412 } },
    ]);
    const table = await readings('recent', '--sensor', 'coldroom-01', '--limit', '2');
    expect(table.out.split('\n')[0]?.split(/ {2,}/).slice(3)).toEqual(['temperature °C', 'co2 ppm']);
    const csv = await readings('recent', '--location', 'greenhouse', '--csv');
    expect(csv.out).toBe(
      `time,sensor,location,temperature,humidity,pressure,battery,rssi\n${ago(2).toISOString()},"green""house,2",greenhouse,,61.25,,,\n`,
    );
    const co2 = await readings('recent', '--metric', 'co2', '--json');
    expect(lines(co2.out)).toEqual([
      { time: ago(2).toISOString(), sensor: 'coldroom-01', location: 'coldroom', value: 412, unit: 'ppm' },
    ]);
  });

  test('every view answers', async () => {
    const views = ['hourly', 'daily', 'statistics', 'gapfill', 'moving-average', 'locations'];
    for (const view of views) {
      const { out, code } = await readings(view, '--location', 'coldroom', '--json');
      expect([view, code, lines(out).length > 0]).toEqual([view, 0, true]);
    }
    const anomalies = await readings('anomalies', '--z', '1.4', '--min-values', '3', '--json');
    expect(lines(anomalies.out)).toMatchObject([{ value: 5 }, { value: 9 }]);
    // 5 after 6, 7 and 8: two deviations below their mean.
    const rolling = await readings('anomalies', '--window', '3m', '--z', '2', '--min-values', '3', '--json');
    expect(lines(rolling.out)).toMatchObject([
      { value: 5, mean: 7, sigma: 1, z: -2 },
      { value: 6, mean: 8, sigma: 1, z: -2 },
    ]);
    const monthly = await readings(
      'statistics',
      '--bucket',
      '1mo',
      '--tz',
      'Europe/Berlin',
      '--metric',
      'co2',
      '--csv',
    );
    expect(monthly.out).toMatch(
      /^bucket,sensor,location,avg,min,max,count\n.*,coldroom-01,coldroom,412,412,412,1\n$/,
    );
  });

  test('an empty result is reported on standard error; an unknown name is an error', async () => {
    const idle = await readings(
      'recent',
      '--sensor',
      'coldroom-01',
      '--until',
      '2020-01-02',
      '--since',
      '2020-01-01',
    );
    expect(idle).toEqual({ code: 0, out: '', err: 'no rows\n' });
    const misspelt: [string[], string, string][] = [
      [['recent', '--sensor', 'coldrom-01'], 'SENSOR_UNKNOWN', 'Did you mean "coldroom-01"?'],
      [['recent', '--sensor', 'coldroom-01', '--sensor', 'x'], 'SENSOR_UNKNOWN', 'sensors list'],
      [['hourly', '--location', 'cold'], 'LOCATION_UNKNOWN', 'readings locations'],
      [['latest', '--metric', 'c02', '--json'], 'METRIC_UNKNOWN', 'Did you mean "co2"?'],
    ];
    for (const [args, code, remedy] of misspelt)
      await expect(readings(...args)).rejects.toMatchObject({
        code,
        remedy: expect.stringContaining(remedy),
      });
    expect((await readings('latest', '--metric', 'co2', '--location', 'coldroom')).err).toBe('');
    expect((await readings('latest', '--metric', 'rssi')).err).toBe('');
  });

  test('usage errors exit 2', async () => {
    for (const args of [
      ['recent', '--limit', '-1'],
      ['recent', '--since', 'yesterday'],
      ['gapfill', '--bucket', 'x'],
    ]) {
      const { code, err } = await readings(...args);
      expect([code, err]).toEqual([2, expect.stringMatching(/invalid\. .*[Ee]xpected/)]);
    }
  });

  test('contradictions are refused: two formats, a span that ends before it begins', async () => {
    const { code, out, err } = await readings('recent', '--json', '--csv');
    expect([code, out, err]).toEqual([2, '', expect.stringMatching(/cannot be used with option '--json'/)]);
    await expect(readings('recent', '--since', '1h', '--until', '2h')).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/--since .* is not before --until/),
    });
  });
});

describe('sensors', () => {
  const sensors = (...args: string[]) => runCli(sensorsCommand, args, { env });

  test('list, by tag', async () => {
    const { out } = await sensors('list', '--tag', 'cold', '--json');
    expect(lines(out)).toMatchObject([
      { sensor: 'coldroom-01', type: 'probe', tags: ['cold'], last_reading: ago(1).toISOString() },
    ]);
  });

  test('show has the newest values of both tables', async () => {
    const { out } = await sensors('show', 'coldroom-01', '--json');
    expect(lines(out)).toMatchObject([
      {
        sensor: 'coldroom-01',
        metrics: [
          { metric: 'temperature', value: 5 },
          { metric: 'co2', unit: 'ppm', value: 412 },
        ],
      },
    ]);
    expect((await sensors('show', 'coldroom-01')).out).toMatch(/^co2 +412 /m);
  });

  test('show has each effective rule, and where each field comes from', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'fieldwatch-show-')), 'fieldwatch.yaml');
    writeFileSync(
      file,
      `alerts:
  metrics: { temperature: { max: 30, for: 2m } }
  overrides: [{ tag: cold, metrics: { temperature: { max: 8 } } }]
`,
    );
    const [shown] = lines((await sensors('show', 'coldroom-01', '-c', file, '--json')).out) as [
      { rules: unknown },
    ];
    expect(shown.rules).toEqual(
      expect.arrayContaining([
        { metric: 'temperature', field: 'max', value: 8, from: 'overrides[0] (tag cold) temperature' },
        { metric: 'temperature', field: 'for', value: '2m', from: 'metrics.temperature' },
        { metric: 'temperature', field: 'hysteresis', value: 0, from: 'defaults' },
      ]),
    );
    const { out } = await sensors('show', 'coldroom-01', '-c', file);
    expect(out).toMatch(/^temperature +max +8 +overrides\[0\] \(tag cold\) temperature$/m);
  });

  test('set changes the given fields, clears the named ones, keeps the rest', async () => {
    const changed = await sensors(
      'set',
      'coldroom-01',
      '--name',
      'Door',
      '--tag',
      'a',
      '--tag',
      'b',
      '--clear',
      'type',
      '--json',
    );
    expect(lines(changed.out)).toEqual([
      {
        sensor: 'coldroom-01',
        name: 'Door',
        type: null,
        location: 'coldroom',
        tags: ['a', 'b'],
        gateway: null,
        declared: true,
      },
    ]);
    expect(changed.err).toMatch(/sets this sensor again at every start/);
    const kept = await sensors('set', 'coldroom-01', '--type', 'probe', '--json');
    expect(lines(kept.out)).toMatchObject([{ name: 'Door', type: 'probe', tags: ['a', 'b'] }]);
  });

  test('faults name the remedy', async () => {
    await expect(sensors('set', 'coldroom-01')).rejects.toMatchObject({ kind: 'config', code: 'USAGE' });
    await expect(sensors('set', 'coldroom-01', '--clear', 'key')).rejects.toThrow(
      /--clear key: no such field/,
    );
    await expect(sensors('show', 'nobody')).rejects.toMatchObject({ code: 'SENSOR_UNKNOWN' });
  });
});

describe('dead letters', () => {
  const letters = (...args: string[]) => runCli(deadLettersCommand, args, { env });

  test('list: newest first; what could move the cursor is shown as an escape', async () => {
    const { out } = await letters('list');
    expect(out).toContain('{"x\\u{1b}[2J');
    expect(out).not.toContain('\u001b');
    const json = await letters('list', '--reason', 'no_device', '--json');
    expect(lines(json.out)).toMatchObject([
      { reason: 'no_device', bytes: 2, head: '/wA=', received_at: ago(10).toISOString() },
    ]);
  });

  test('a payload that is kept in part shows its true length', async () => {
    const id = '6f9619ff-8b86-4d01-b42d-00cf4fc964f1';
    await run(
      `INSERT INTO dead_letters (id, received_at, topic, payload, reason, payload_bytes, payload_sha256)
       VALUES ($1, $2, 'a/b', 'abc', 'cut', 300000, sha256('x'))`,
      id,
      ago(5),
    );
    const row = { bytes: 300_000, kept_bytes: 3, sha256: createHash('sha256').update('x').digest('hex') };
    expect(lines((await letters('list', '--reason', 'cut', '--json')).out)).toMatchObject([row]);
    const shown = await letters('show', id, '--json');
    expect(lines(shown.out)).toMatchObject([{ ...row, payload: 'abc' }]);
    expect(shown.err).toContain('3 of 300000 bytes');
    await run('DELETE FROM dead_letters WHERE id = $1', id);
  });

  test('show: payload as text, as base64, as it is', async () => {
    expect(lines((await letters('show', LETTER, '--json')).out)).toMatchObject([
      { payload: '{"x\u001b[2J', reason: 'parse_error' },
    ]);
    expect((await letters('show', LETTER, '--raw')).out).toBe('{"x\u001b[2J');
    expect((await letters('show', '6f9619ff-8b86-4d01-b42d-00cf4fc964f0')).out).toContain('/wA=');
    await expect(letters('show', 'x')).rejects.toMatchObject({ code: 'DEAD_LETTER_UNKNOWN' });
  });

  test('retry: says which, publishes each once, and leaves out what is no whole message', async () => {
    const broker = await Mosquitto.start();
    const client = await mqtt.connectAsync(broker.url);
    const came: string[] = [];
    let all = () => {};
    const ended = new Promise<void>((resolve) => (all = resolve));
    client.on('message', (topic, payload) => {
      came.push(`${topic} ${payload.toString()}`);
      if (topic === 'end') all();
    });
    await client.subscribeAsync(['a/#', 'end'], { qos: 1 });
    const letter = (topic: string, reason: string, bytes: number | null) =>
      run(
        `INSERT INTO dead_letters (received_at, topic, payload, reason, payload_bytes) VALUES ($1, $2, 'abc', $3, $4)`,
        ...[ago(3), topic, reason, bytes],
      );
    await letter('a/1', 'retry_me', null);
    await letter('a/2', 'retry_me', null);
    await letter('a/3', 'retry_me', 300_000);
    await letter('b/1', 'no_subscriber', null);
    await letter('sensor', 'merge_conflict', null);
    const retry = (...args: string[]) =>
      runCli(deadLettersCommand, ['retry', ...args], { env: { ...env, FIELDWATCH_MQTT_URL: broker.url } });
    try {
      await expect(retry()).rejects.toMatchObject({ code: 'USAGE' });
      await expect(retry('x')).rejects.toMatchObject({ code: 'USAGE' });
      const { out } = await retry('--reason', 'retry_me');
      expect(out).toContain('would publish 2 dead letters again; --yes does it\n  1 retry_me of "a/1"');
      expect(out).toContain('left out: 1 of which only the beginning is kept');
      expect((await retry('--reason', 'merge_conflict', '--json')).out).toContain('"found":0');
      expect((await retry('--topic', 'a/1', '--yes', '--json')).out).toContain('"published":1');
      expect((await retry('--reason', 'retry_me', '--yes')).out).toContain('published 1 dead letter again');
      expect((await retry('--reason', 'retry_me', '--yes')).out).toContain('2 published again before');
      const noSubscriber = await retry('--topic', 'b/1', '--yes');
      expect([noSubscriber.code, noSubscriber.out]).toEqual([
        1,
        expect.stringContaining('subscribed to "b/1"'),
      ]);
      // The broker has them all before this one.
      await client.publishAsync('end', '', { qos: 1 });
      await ended;
      expect(came).toEqual(['a/1 abc', 'a/2 abc', 'end ']);
      await broker.stop();
      await expect(retry('--reason', 'retry_me', '--again', '--yes')).rejects.toMatchObject({
        code: 'BROKER_UNREACHABLE',
      });
    } finally {
      await client.endAsync(true);
      await broker.stop();
      await run(`DELETE FROM dead_letters WHERE reason IN ('retry_me', 'no_subscriber', 'merge_conflict')`);
    }
  });

  test('delete: only what is older, only so many', async () => {
    expect((await letters('delete', '--before', '20m', '--reason', 'no_device')).out).toBe(
      'deleted 0 dead letters\n',
    );
    expect((await letters('delete')).code).toBe(2);
    expect((await letters('delete', '--before', '20m', '--json')).out).toBe('{"deleted":1}\n');
    expect(lines((await letters('list', '--json')).out)).toHaveLength(1);
  });
});

describe('alerts', () => {
  const alerts = (...args: string[]) => runCli(alertsCommand, args, { env });
  const EPISODE = '00000000-0000-5000-8000-000000000001';

  test('list, and list --open', async () => {
    await alertRow(20, 'temperature_high', {
      alert_id: EPISODE,
      started_at: ago(21),
      resolved_at: ago(15),
      peak_value: 9.9,
    });
    await alertRow(10, 'humidity_high', { severity: 'critical' });
    const all = await alerts('list', '--json');
    expect(lines(all.out)).toMatchObject([
      { alert_type: 'humidity_high', sensor: 'coldroom-01', resolved_at: null, severity: 'critical' },
      {
        alert_type: 'temperature_high',
        alert_id: EPISODE,
        resolved_at: ago(15).toISOString(),
        peak_value: 9.9,
      },
    ]);
    const open = await alerts('list', '--open', '--since', '1m');
    expect(open.out).toMatch(/humidity_high +critical +9\.4 % > 8 %/);
    expect(open.out).not.toContain('temperature_high');
  });

  test('tail: the last events in the order of their times', async () => {
    const { out } = await alerts('tail', '-n', '3', '--json');
    expect(lines(out)).toMatchObject([
      {
        event: 'firing',
        alert_type: 'temperature_high',
        event_time: ago(20).toISOString(),
        sensor: 'coldroom-01',
      },
      {
        event: 'resolved',
        alert_type: 'temperature_high',
        event_time: ago(15).toISOString(),
        duration_s: 360,
        peak_value: 9.9,
        // Not the sentence with which it fired.
        text: null,
      },
      { event: 'firing', alert_type: 'humidity_high' },
    ]);
  });

  test('tail -f: what fires, rises and resolves while it runs, each once', async () => {
    const tail = startCli(alertsCommand, ['tail', '-f', '-n', '0', '--json'], { env });
    const id = '00000000-0000-5000-8000-000000000002';
    await tail.printed('watching', 'stderr');
    await alertRow(5, 'battery_low', { alert_id: id, started_at: ago(5), severity: 'warning' });
    await tail.printed('"firing"');
    // Older than what was seen already: a late message.
    await alertRow(50, 'rssi_low', { sensor_id: 2 });
    await tail.printed('rssi_low');
    await alertRow(4, 'battery_low', { alert_id: id, started_at: ago(5), severity: 'critical' });
    await tail.printed('"escalated"');
    await run(`UPDATE sensor_alerts SET resolved_at = $1, peak_value = 2 WHERE alert_id = $2`, ago(1), id);
    await tail.printed('"resolved"');
    tail.interrupt();
    const { out, code } = await tail.done;
    expect(code).toBe(0);
    const events = lines(out) as { event: string; alert_type: string; duration_s: number | null }[];
    expect(events.map(({ event, alert_type }) => `${event} ${alert_type}`)).toEqual([
      'firing battery_low',
      'firing rssi_low',
      'escalated battery_low',
      'resolved battery_low',
    ]);
    expect(events.at(-1)?.duration_s).toBe(240);
  });

  test('tail -f goes on while the database is away and after it is back', async () => {
    const url = new URL(database.url);
    const proxy = await TcpProxy.start(Number(url.port), url.hostname);
    url.port = String(proxy.port);
    try {
      const tail = startCli(alertsCommand, ['tail', '-f', '-n', '0', '--json'], {
        env: { FIELDWATCH_DATABASE_URL: url.href },
      });
      await tail.printed('watching', 'stderr');
      proxy.refuse();
      proxy.cut();
      await tail.printed('the database is away, trying again', 'stderr');
      await alertRow(3, 'pressure_low');
      proxy.resume();
      await tail.printed('pressure_low');
      tail.interrupt();
      const { err } = await tail.done;
      expect(err.match(/is away/g)).toHaveLength(1);
      expect(err).toMatch(/the database is back/);
    } finally {
      await proxy.close();
    }
  });

  test('tail on a terminal is for people', async () => {
    const { out } = await runCli(alertsCommand, ['tail', '--sensor', 'coldroom-01'], { env, isTTY: true });
    expect(out).toContain('\u001b[');
    const given = ['tail', '--timezone', 'Asia/Kolkata'];
    const plain = await runCli(alertsCommand, given, { env: { ...env, NO_COLOR: '1' }, isTTY: true });
    expect(plain.out).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+05:30 ● FIRING +coldroom-01 +temperature_high +9\.4 °C > 8 °C$/m,
    );
    expect(plain.out).toMatch(/✓ RESOLVED +coldroom-01 +temperature_high +after 6m, highest 9\.9 °C$/m);
  });
});

describe('alerts kpi', () => {
  const kpi = (...args: string[]) => runCli(alertsCommand, ['kpi', '--location', 'kpi', ...args], { env });
  const uuid = (n: number) => `6f9619ff-8b86-4d01-b42d-0000000000${n}`;

  beforeAll(async () => {
    await run(`INSERT INTO sensors (id, key, location) VALUES (90, 'k1', 'kpi'), (91, 'k2', 'kpi')`);
    const row = (minutes: number, more: Record<string, unknown>) =>
      alertRow(minutes, 'temperature_high', { sensor_id: 90, severity: 'warning', ...more });
    // Escalated: two rows, one episode.
    await row(300, { alert_id: uuid(10), resolved_at: ago(280), acked_at: ago(290) });
    await row(299, { alert_id: uuid(10), severity: 'critical', resolved_at: ago(280), acked_at: ago(290) });
    for (const minutes of [200, 198, 196])
      await row(minutes, { sensor_id: 91, alert_id: uuid(minutes - 150), resolved_at: ago(minutes - 1) });
    await row(3 * 24 * 60, { sensor_id: 91, alert_type: 'battery_low', alert_id: uuid(99) });
    await row(100, { sensor_id: 91, alert_id: uuid(98), resolved_at: ago(90), backfilled: true });
  });

  test('as one document', async () => {
    const { out } = await kpi('--since', '24h', '--json');
    expect(JSON.parse(out)).toMatchObject({
      fired: 4,
      backfilled: 1,
      most10min: 3,
      floods: [],
      chattering: [{ sensor: 'k2', alert_type: 'temperature_high', most10min: 3 }],
      top: [{ sensor: 'k2', fired: 3, share: 0.75 }, { sensor: 'k1' }],
      severities: [
        { severity: 'critical', fired: 1 },
        { severity: 'warning', fired: 3 },
      ],
      to_ack: { count: 1, median_s: 600 },
      to_clear: { count: 4, median_s: 60, longest_s: 1200 },
      stale: [{ sensor: 'k2', alert_type: 'battery_low' }],
    });
  });

  test('for people, and for a place with nothing in it', async () => {
    const { out } = await kpi('--since', '24h');
    expect(out).toMatch(/fired +4, and 1 backfilled/);
    expect(out).toMatch(/k2 +battery_low +warning .* 3d/);
    await run(`INSERT INTO sensors (id, key, location) VALUES (99, 'k9', 'nowhere')`);
    const { out: none } = await runCli(alertsCommand, ['kpi', '--location', 'nowhere'], { env });
    expect(none).toMatch(/fired +0\n/);
    expect(none).toMatch(/to clear +-/);
    expect(none).not.toContain('of the system');
  });

  test('alerts of the system are a line of their own, and no share of the others', async () => {
    const fault = (n: number, minutes: number, cleared: number | null) =>
      run(
        `INSERT INTO system_alerts (alert_id, alert_type, subject, severity, message, started_at, resolved_at, seq)
         VALUES ('${uuid(n)}', 'policy_effect', 'kpi ${n}', 'warning', 'm', $1, $2, 1)`,
        ago(minutes),
        cleared === null ? null : ago(cleared),
      );
    await fault(60, 100, 90);
    await fault(61, 80, null);
    await fault(62, 10 * 24 * 60, null);
    await fault(63, 10 * 24 * 60, 9 * 24 * 60);
    const all = (...args: string[]) => runCli(alertsCommand, ['kpi', '--since', '24h', ...args], { env });
    const { out } = await all('--json');
    expect(JSON.parse(out)).toMatchObject({
      system: [{ alert_type: 'policy_effect', fired: 2, open: 2, median_clear_s: 600 }],
    });
    expect(out).not.toContain('kpi 60');
    const { out: text } = await all();
    expect(text).toMatch(/of the system +2 fired, 2 open now/);
    expect(text).toMatch(/policy_effect +2 +2 +10m/);
    expect(JSON.parse((await kpi('--json')).out)).toMatchObject({ system: null });
  });
});

describe('metrics', () => {
  const metrics = (...args: string[]) => runCli(metricsCommand, args, { env });
  const left = async () =>
    (await run('SELECT count(*)::int AS n FROM sensor_metrics WHERE metric_id IN (70, 71)')).rows;

  test('list names them; forget counts first, and deletes names and values with --yes', async () => {
    await run(`INSERT INTO metrics (id, name) VALUES (70, 'junk_1'), (71, 'junk_2')`);
    // Values of a name that is gone already: written by a daemon that had not noticed.
    await run(
      'INSERT INTO sensor_metrics (time, sensor_id, metric_id, value) VALUES ($1, 1, 70, 1), ($1, 1, 71, 1), ($1, 1, 99, 1)',
      ago(3),
    );
    expect((await metrics('list')).out).toMatch(/co2 +ppm[^]*junk_1/);
    const { out } = await metrics('forget', 'junk_1', 'junk_2', '--json');
    expect(JSON.parse(out)).toEqual({ metrics: ['junk_1', 'junk_2'], values: 3, deleted: false });
    expect(await left()).toEqual([{ n: 2 }]);
    expect((await metrics('forget', 'junk_1', 'junk_2', '--yes')).out).toBe(
      'deleted 2 metric names with 3 values\n',
    );
    expect(await left()).toEqual([{ n: 0 }]);
    expect((await metrics('list', '--json')).out).not.toContain('junk');
    expect((await run('SELECT 1 FROM sensor_metrics WHERE metric_id = 1')).rows).toHaveLength(1);
    await expect(metrics('forget', 'junk_1', '--yes')).rejects.toThrow(/no metric has the name/);
  });
});
