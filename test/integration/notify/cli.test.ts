import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { diagnoseSinks } from '../../../src/cli/doctor/notify.ts';
import { notifyCommand } from '../../../src/cli/notify.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { type EmbeddedBroker, startEmbeddedBroker } from '../../../src/embedded/broker.ts';
import { runCli } from '../../support/cli.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { SECRET } from '../../support/far-side.ts';
import { freePort } from '../../support/free-port.ts';
import { HttpServer } from '../../support/http-server.ts';

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
  const db = new pg.Client({ connectionString: database.url });
  await db.connect();
  await db.query(`INSERT INTO notify_sinks (name, kind, owner, leased_until, sent, failing_since, last_error)
    VALUES ('ops', 'webhook', 'pi', now() + interval '1 min', 7, now(), 'HTTP 503')`);
  await db.query(`INSERT INTO alert_deliveries (alert_id, seq, sink, event, alert_type)
    SELECT gen_random_uuid(), 1, sink, 'firing', 'x_high' FROM unnest(ARRAY['ops', 'ops', 'old']) AS sink`);
  await db.end();
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
