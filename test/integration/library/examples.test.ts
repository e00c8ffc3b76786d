import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fastify from 'fastify';
import mqtt from 'mqtt';
import { backfill } from '../../../examples/backfill-csv.ts';
import { decoded, run } from '../../../examples/custom-codec.ts';
import { sensorRoutes } from '../../../examples/express-route.ts';
import { sensors } from '../../../examples/fastify-plugin.ts';
import { main as dewPoints } from '../../../examples/frame-arquero.ts';
import { main } from '../../../examples/monitoring-service.ts';
import { openMonitor } from '../../../src/index.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { javaScriptOf } from '../../support/node/typescript.js';
import { queryOnce } from '../../support/pg-client.ts';
import { isNightly } from '../../support/rounds.ts';

let db: TestDatabase;
let dir: string;
beforeAll(async () => {
  db = await openTestDatabase({ migrated: true });
  dir = await mkdtemp(join(tmpdir(), 'fieldwatch-examples-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true });
  await db.close();
});

test('monitoring-service: register, record, summary, trends, alerts', async () => {
  const lines: string[] = [];
  await main(db.url, (line) => lines.push(line));
  expect(lines[0]).toBe('143 readings stored');
  expect(lines.find((line) => line.startsWith('temperature:'))).toMatch(
    /^temperature: 144 values, mean 4\.0, 3 to 9\.5 °C$/,
  );
  expect(lines).toContain('1 alerts in 24 hours, 1 open');
  expect(lines.at(-1)).toBe('cold-store: temperature 9.5 is above 8');
});

test('express-route: stores, answers, and gives errors their status', async () => {
  await using monitor = await openMonitor({ database: db.url });
  const server = sensorRoutes(monitor).listen(0, '127.0.0.1');
  try {
    await new Promise((ready) => server.once('listening', ready));
    const { port } = server.address() as { port: number };
    const url = `http://127.0.0.1:${port}`;
    const stored = await fetch(`${url}/readings`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify([{ sensor: 'web-1', metrics: { temperature: 20 } }]),
    });
    expect([stored.status, await stored.json()]).toEqual([201, expect.objectContaining({ stored: 1 })]);
    expect(await (await fetch(`${url}/sensors/web-1`)).json()).toMatchObject({
      metrics: [{ metric: 'temperature', avg: 20 }],
    });
    const unknown = await fetch(`${url}/sensors/web-2`);
    expect([unknown.status, await unknown.json()]).toEqual([
      404,
      expect.objectContaining({ code: 'SENSOR_UNKNOWN', remedy: 'Did you mean "web-1"?' }),
    ]);
  } finally {
    await new Promise((closed) => server.close(closed));
  }
});

test('fastify-plugin: opens with the server, and closes with it', async () => {
  const app = fastify();
  await app.register(sensors, { monitor: { database: db.url } });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  const post = (body: object) =>
    fetch(`${url}/readings`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
    });
  expect((await post({ sensor: 'f-1', metrics: { temperature: 21 } })).status).toBe(201);
  expect(await (await fetch(`${url}/sensors/f-1/latest`)).json()).toEqual([
    expect.objectContaining({ metric: 'temperature', value: 21, unit: '°C' }),
  ]);
  const refused = await post({ sensor: 'f-1', metrics: {} });
  expect([refused.status, await refused.json()]).toEqual([
    422,
    expect.objectContaining({ code: 'READING_REFUSED' }),
  ]);
  await app.close();
});

test('backfill-csv: a file of any length, repeated without duplicates', async () => {
  const file = join(dir, 'history.csv');
  const start = Date.now() - 7 * 86_400_000;
  const lines = Array.from(
    { length: 25_000 },
    (_, at) => `${new Date(start + at * 1000).toISOString()},csv-${at % 3},${20 + (at % 10)},`,
  );
  await writeFile(file, ['time,sensor,temperature,humidity', ...lines, 'never,csv-0,1,2', ''].join('\n'));
  const printed: string[] = [];
  expect(await backfill(db.url, file, (line) => printed.push(line))).toMatchObject({
    stored: 25_000,
    deadLettered: 1,
  });
  expect(printed.length).toBeGreaterThan(2);
  expect(await backfill(db.url, file, () => undefined)).toMatchObject({ stored: 0, duplicate: 25_000 });
});

test('custom-codec: decodes, and is known to a daemon in this process', async () => {
  expect(decoded.readings).toEqual([
    expect.objectContaining({ sensor: 'a7', metrics: { temperature: 23.45, humidity: 60, battery: 90 } }),
  ]);
  await using daemon = await run({
    database: { url: db.url },
    embedded: { mqtt_port: await freePort() },
    state_dir: join(dir, 'state'),
    http: { enabled: false },
    scheduler: { enabled: false },
    spool: { enabled: false },
  });
  await eventually('the daemon is subscribed', () => daemon.status().broker === 'subscribed');
  const client = await mqtt.connectAsync(daemon.mqttUrl);
  await client.publishAsync('acme/attic/a7', Buffer.of(0x09, 0x29, 0x3c, 0x5a), { qos: 1 });
  await client.endAsync();
  await eventually('the reading is stored', () => daemon.status().totals['stored'] === 1);
});

test('frame-arquero: a column computed from others becomes a metric', async () => {
  await using monitor = await openMonitor({ database: db.url });
  const time = Date.now() - 60_000;
  await monitor.recordBatch([
    { sensor: 'dew', time, metrics: { temperature: 20, humidity: 50 } },
    { sensor: 'dew', time: time + 1, metrics: { temperature: 20 } },
  ]);
  const lines: string[] = [];
  const outcome = await dewPoints(db.url, (line) => lines.push(line));
  expect(outcome).toMatchObject({ stored: outcome.rows, conflict: 0, deadLettered: 0 });
  expect(lines).toEqual([`${outcome.rows} rows, time sensor location temperature humidity dew_point`]);
  const latest = await monitor.latest({ sensor: 'dew' });
  expect(latest.find(({ metric }) => metric === 'dew_point')?.value).toBeCloseTo(9.26, 2);
});

(isNightly ? describe : describe.skip)('with packages of npm (nightly)', () => {
  let project: string;
  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'fieldwatch-frames-'));
    await writeFile(join(project, 'package.json'), '{ "type": "module" }');
    const packages = ['nodejs-polars@0.24.1', '@duckdb/node-api@1.5.6-r.1'];
    await promisify(execFile)(
      'npm',
      ['install', '--no-audit', '--no-fund', '--prefer-offline', ...packages],
      { cwd: project },
    );
    await symlink(resolve('.'), join(project, 'node_modules/fieldwatch'), 'dir');
    await query(`INSERT INTO sensors (key) VALUES ('framed')`);
    await query(`INSERT INTO sensor_readings (time, sensor_id, temperature)
      SELECT date_trunc('day', now()) - INTERVAL '2 days' + n * INTERVAL '10 min', (SELECT id FROM sensors WHERE key = 'framed'), n
      FROM generate_series(0, 287) n`);
  }, 300_000);
  afterAll(() => rm(project, { recursive: true }));

  const example = async (name: string): Promise<readonly Record<string, unknown>[]> => {
    await copyFile(resolve('examples', name), join(project, name));
    const { stdout } = await promisify(execFile)(process.execPath, [name], {
      ...{ cwd: project, env: { ...process.env, NODE_OPTIONS: '', DATABASE_URL: db.url } },
    });
    return stdout
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []));
  };

  test('examples/frame-polars.js: means of hours, written back', async () => {
    const [outcome] = await example('frame-polars.js');
    expect(outcome?.['rows']).toBeGreaterThanOrEqual(48);
    expect(outcome?.['stored']).toBe(outcome?.['rows']);
    await using monitor = await openMonitor({ database: db.url });
    const [hours] = await monitor.analyze.describe({
      from: 0,
      sensor: 'framed',
      metrics: ['temperature_of_hour'],
    });
    // Six readings an hour: 2.5, 8.5, …
    expect(hours).toMatchObject({ count: 48, min: 2.5, max: 284.5 });
  });

  test('examples/frame-duckdb.js: medians of days', async () => {
    const days = await example('frame-duckdb.js');
    expect(days.filter(({ sensor }) => sensor === 'framed')).toMatchObject([
      { readings: 144, median: 71.5 },
      { readings: 144, median: 215.5 },
    ]);
  });
});

test('every example is run here', async () => {
  const own = await readFile(import.meta.filename, 'utf8');
  const files = await readdir(resolve('examples'));
  expect(files.length).toBe(8);
  for (const file of files) expect(own).toContain(`examples/${file}`);
});

const query = (sql: string) => queryOnce(db.url, sql);

/** The examples of the reference: blocks of code in the comments of the library, with what they print. */
async function documented(): Promise<
  readonly (readonly [name: string, code: string, printed: readonly string[]])[]
> {
  const folder = resolve('src/library');
  const found: (readonly [string, string, readonly string[]])[] = [];
  for (const file of (await readdir(folder)).sort()) {
    const text = await readFile(join(folder, file), 'utf8');
    for (const [, block = ''] of text.matchAll(/^ \* ```ts\n([\s\S]*?)^ \* ```$/gm)) {
      const code = block.replace(/^ \* ?/gm, '');
      found.push([
        `${file} ${found.length}`,
        code,
        [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, line]) => line!),
      ]);
    }
  }
  return found;
}

test('what the reference shows is what happens', async () => {
  const examples = await documented();
  expect(examples.length).toBe(8);
  const folder = resolve('dist/examples', `reference-${process.pid}`);
  await mkdir(folder, { recursive: true });
  try {
    const port = String(await freePort());
    for (const [name, code, printed] of examples) {
      const file = join(folder, `${name.replace(/\W/g, '-')}.mjs`);
      await writeFile(file, javaScriptOf(code.replace('18839', port), file));
      const env = Object.fromEntries(
        Object.entries({ ...process.env, DATABASE_URL: db.url }).filter(
          ([key]) => !/^(FIELDWATCH_|NODE_OPTIONS)/.test(key),
        ),
      );
      // The daemon of another example would count as the one that evaluates.
      await query('DELETE FROM share_members');
      const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: dir, env });
      expect([name, stdout.trim().split('\n')]).toEqual([name, printed]);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
