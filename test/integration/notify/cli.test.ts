import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { diagnoseSinks } from '../../../src/cli/doctor/notify.ts';
import { notifyCommand } from '../../../src/cli/notify/index.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { type EmbeddedBroker, startEmbeddedBroker } from '../../../src/embedded/broker.ts';
import { runCli } from '../../support/cli.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { SECRET } from '../../support/far-side.ts';
import { freePort } from '../../support/free-port.ts';
import { HttpServer } from '../../support/http-server.ts';
import { queryOnce } from '../../support/pg-client.ts';

let database: TestDatabase;
let hook: HttpServer;
let broker: EmbeddedBroker;
let dir: string;
let file: string;
/** The same, with a sink that is waited for half a second. */
let hurried: string;
beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  hook = await HttpServer.start();
  broker = await startEmbeddedBroker({ host: '127.0.0.1', port: 0 });
  dir = await mkdtemp(join(tmpdir(), 'fieldwatch-notify-'));
  file = join(dir, 'fieldwatch.yaml');
  hurried = join(dir, 'hurried.yaml');
  const port = await freePort();
  const config = (timeout: string) => `
mqtt: { url: "${broker.url}", protocol: 3.1.1 }
database: { url: "${database.url}" }
routes: [{ topic: "a/{device}", codec: json }]
notify:
  - { name: ops, kind: webhook, url: "${hook.url}/${SECRET}", token: ${SECRET}, timeout: ${timeout} }
  - { name: gone, kind: alertmanager, url: "http://127.0.0.1:${port}" }
  - { name: broker, kind: mqtt, retain: always }
`;
  await writeFile(file, config('60s'));
  await writeFile(hurried, config('500ms'));
});
beforeEach(() => {
  hook.calls.length = 0;
  hook.behaviour = { status: 200 };
});
afterAll(async () => {
  await hook.stop();
  await broker.stop();
  await database.close();
  await rm(dir, { recursive: true });
});

const query = (sql: string, values: readonly unknown[] = []) => queryOnce(database.url, sql, values);

const run = (...args: string[]) => runCli(notifyCommand, [...args, '--config', file]);

test('test sends a sample that says it is one', async () => {
  const { code, out } = await run('test', 'ops');
  expect([code, out]).toEqual([0, expect.stringMatching(/^ops \(webhook\): taken after \d+ ms\n$/)]);
  expect(hook.bodies).toMatchObject([
    {
      receiver: 'ops',
      alerts: [{ labels: { alertname: 'test', sensor: 'fieldwatch', severity: 'warning' } }],
    },
  ]);
});

test.each([
  ['refuses', { status: 401, body: SECRET }, 'NOTIFY_AUTH'],
  ['never answers', 'hang', 'NOTIFY_UNREACHABLE'],
] as const)('a sink that %s is a failure with a remedy, without a secret', async (_, behaviour, expected) => {
  hook.behaviour = behaviour;
  const config = behaviour === 'hang' ? hurried : file;
  const { code, out } = await runCli(notifyCommand, ['test', 'ops', '--json', '--config', config]);
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({ sink: 'ops', ok: false, code: expected, remedy: expect.any(String) });
  expect(out).not.toContain(SECRET);
}); // prettier-ignore

test('over MQTT it goes with a connection of its own', async () => {
  expect(await run('test', 'broker')).toMatchObject({ code: 0 });
});

test('a sink of no such name is a mistake of the command', async () => {
  await expect(run('test', 'opps')).rejects.toMatchObject({ code: 'SINK_UNKNOWN', kind: 'config' });
});

test('list shows what waits and the last error, also of sinks that were never served', async () => {
  await query(`INSERT INTO notify_sinks (name, kind, owner, leased_until, sent, failing_since, last_error)
    VALUES ('ops', 'webhook', 'pi', now() + interval '1 min', 7, now(), 'HTTP 503')`);
  await query(`INSERT INTO alert_deliveries (alert_id, seq, sink, event, alert_type)
    SELECT gen_random_uuid(), 1, sink, 'firing', 'x_high' FROM unnest(ARRAY['ops', 'ops', 'old']) AS sink`);
  const { code, out } = await run('list', '--json');
  expect(code).toBe(0);
  const rows = out.trim().split('\n').map((line) => JSON.parse(line) as object); // prettier-ignore
  expect(rows).toMatchObject([
    { name: 'ops', kind: 'webhook', queued: 2, sent: 7, last_error: 'HTTP 503', served_by: 'pi' },
    { name: 'gone', kind: 'alertmanager', queued: 0, sent: 0, last_error: null },
    { name: 'broker', kind: 'mqtt', queued: 0 },
    { name: 'old', kind: null, queued: 1 },
  ]);
  expect((await run('list')).out).toMatch(/^sink +kind/);
});

describe('routes test', () => {
  const ROUTED = `
database: { url: URL }
routes: [{ topic: "a/{device}", codec: json }]
notify:
  sinks: [{ name: ops, kind: webhook, url: "http://x/ops" }, { name: boss, kind: webhook, url: "http://x/boss" }]
  times: { nights: { window: "22:00-06:00" } }
  routes:
    - { match: { location: coldroom, rack: "7" }, to: ops, mute: [nights], escalate: [{ after: 15m, to: boss }] }
`;
  const routed = async (url: string, ...args: string[]) => {
    const path = join(dir, 'routed.yaml');
    await writeFile(path, ROUTED.replace('URL', JSON.stringify(url)));
    return runCli(notifyCommand, ['routes', 'test', '--sensor', 's7', '--config', path, ...args]);
  };

  test('location and tags are those of the database; options go before', async () => {
    await query(`INSERT INTO sensors (id, key, location, tags) VALUES (77, 's7', 'coldroom', '{rack=7}')`);
    const { code, out } = await routed(database.url, '--at', '2026-01-07T23:00Z');
    expect(code).toBe(0);
    expect(out).toMatch(
      /^ops +webhook +held until 2026-01-08T06:00:00.000Z +notify.routes\[0\] +muted: nights/m,
    );
    expect(out).toMatch(/^boss +webhook +escalated at 2026-01-07T23:15:00.000Z/m);
    const elsewhere = await routed(database.url, '--location', 'attic', '--json');
    expect(elsewhere.code).toBe(1);
    expect(JSON.parse(elsewhere.out)).toMatchObject({
      alert: { sensor: 's7', location: 'attic', tags: ['rack=7'], alert_type: 'temperature_high' },
      sinks: [
        { sink: 'ops', decision: 'not_sent', reason: 'needs location: coldroom' },
        { sink: 'boss', decision: 'not_sent', route: null },
      ],
      routes: [{ route: 'notify.routes[0]', matches: false, needs: 'location: coldroom', decides: false }],
    });
  });

  test('without a database the options are enough, and what is not known is reported', async () => {
    const away = `postgres://u:p@127.0.0.1:${await freePort()}/x`;
    const found = await routed(away, '--location', 'coldroom', '--tag', 'rack=7', '--type', 'probe', '--gateway', 'gw1', '--at', '2026-01-07T12:00Z');
    expect([found.code, found.err]).toEqual([0, '']);
    const unknown = await routed(away);
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('without type, location, tags and gateway of "s7"')]);
  }); // prettier-ignore
});

test('doctor warns of alerts that no route matches', async () => {
  const text = `
routes: [{ topic: "a/{device}", codec: json }]
notify: { sinks: [{ name: ops, kind: webhook, url: "${hook.url}" }], routes: [{ match: { location: lab }, to: ops }] }
`;
  const found = await diagnoseSinks(loadConfig({ text, env: {} }).config);
  expect(found.map(({ subject, status }) => [subject, status])).toEqual([
    ['routes', 'warning'],
    ['ops', 'ok'],
  ]);
});

test('doctor probes each sink, and sends no notification', async () => {
  const found = await diagnoseSinks(loadConfig({ file, env: {} }).config);
  expect(found.map(({ subject, status }) => [subject, status])).toEqual([
    ['ops', 'ok'],
    ['gone', 'fault'],
    ['broker', 'skipped'],
  ]);
  expect(found[1]).toMatchObject({ area: 'notify', remedy: expect.any(String) });
  expect(hook.calls.map(({ method }) => method)).toEqual(['HEAD']);
});

const json = (text: string) => text.trim().split('\n').map((line) => JSON.parse(line) as Record<string, string>); // prettier-ignore

test('preview shows samples where there are no alerts, in the requested language', async () => {
  const { code, out } = await run('preview', '--language', 'de', '--json');
  expect(code).toBe(0);
  const shown = json(out);
  expect(shown[0]).toMatchObject({ event: 'firing', title: 'Freezer 1: Temperatur -9,3 °C, über -15 °C' });
  expect(shown.at(-1)).toMatchObject({ title: 'Freezer 1 ist wieder online' });
  // It needs no database.
  const offline = join(dir, 'offline.yaml');
  await writeFile(
    offline,
    'database: { url: "postgres://127.0.0.1:1/x" }\nroutes: [{ topic: "a/{device}", codec: json }]\n',
  );
  const samples = await runCli(notifyCommand, ['preview', '--samples', '--config', offline]);
  expect(samples.out).toContain(
    '\nFreezer 1: temperature -9.3 °C, above -15 °C\ncold room · warning\nsince ',
  );
});

test('preview shows what past alerts would have been, by what was announced or by their rows', async () => {
  const [kept, old] = ['7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10', '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a11'];
  await query(
    `INSERT INTO sensors (id, key, name, location) VALUES (1, 'freezer-01', 'Freezer 1', 'cold room')`,
  );
  await query(`INSERT INTO metrics (id, name, unit) VALUES (1, 'flow', 'l/min')`);
  // One a minute, rising, up to the moment of the alert.
  await query(`INSERT INTO sensor_readings (time, sensor_id, temperature)
    SELECT now() - interval '1 hour' - i * interval '1 minute', 1, 10 - i FROM generate_series(0, 20) i`);
  const alert = `INSERT INTO sensor_alerts (time, sensor_id, alert_type, message, value, threshold, alert_id, started_at,
    resolved_at, resolved_value, peak_value, metric, kind, side)`;
  await query(`${alert} VALUES (now() - interval '2 hours', 1, 'flow_high', 'm', 12.5, 9, $1, now() - interval '130 minutes',
    now() - interval '90 minutes', 8, 14, 'flow', 'threshold', 'high')`, [old]); // prettier-ignore
  await query(`${alert} VALUES (now() - interval '1 hour', 1, 'temperature_high', 'm', 10, 8, $1, now() - interval '70 minutes',
    NULL, NULL, NULL, 'temperature', 'threshold', 'high')`, [kept]); // prettier-ignore
  await query(
    `INSERT INTO alert_outbox (alert_id, seq, event, payload, sent_at)
     SELECT $1::uuid, seq, event, jsonb_build_object('alertId', $1::uuid, 'seq', seq, 'event', event, 'sensorId', 1, 'sensorKey', 'freezer-01',
       'alertType', 'temperature_high', 'metric', 'temperature', 'kind', 'threshold', 'side', 'high', 'severity', 'warning',
       'message', 'm', 'value', 10, 'threshold', 8, 'eventTimeMs', extract(epoch FROM now() - interval '1 hour') * 1000,
       'startedAtMs', extract(epoch FROM now() - interval '70 minutes') * 1000, 'runbook', NULL), now()
     FROM (VALUES (1, 'firing'), (2, 'acknowledged')) AS e (seq, event)`,
    [kept],
  );
  const all = json((await run('preview', 'ops', '--json')).out);
  expect(all.map(({ alert_id: alertId, event, title }) => [alertId, event, title])).toEqual([
    [old, 'firing', 'Freezer 1: flow 12.5 l/min, above 9 l/min'],
    [old, 'resolved', 'Freezer 1: flow 8 l/min, back to normal'],
    [kept, 'firing', 'Freezer 1: temperature 10 °C, above 8 °C'],
  ]);
  expect(all[2]?.['body']).toMatch(/^cold room · warning\nsince .*\(10 min\), rising$/);
  expect(all[1]?.['body']).toMatch(/\(40 min\), highest 14 l\/min$/);
  expect(json((await run('preview', '--alert', kept, '--json')).out)).toHaveLength(1);
  expect(json((await run('preview', '--last', '1', '--json')).out)).toHaveLength(1);
  expect((await run('preview', 'ops', '--last', '1')).out).toMatch(
    /^--- .* firing -> ops \(webhook\)\nFreezer 1: /,
  );
  const unknown = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a12';
  await expect(run('preview', '--alert', unknown)).rejects.toMatchObject({ code: 'ALERT_UNKNOWN' });
});
