import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { storageCommand } from '../../../src/cli/storage/index.ts';
import { runCli } from '../../support/cli.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';

let db: PolicyDatabase;
beforeAll(async () => {
  db = await openPolicyDatabase();
  await db.sql(`INSERT INTO sensors (key) SELECT 's' || g FROM generate_series(1, 3) g`);
  await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT t, s, 20 + s
    FROM generate_series(now() - INTERVAL '20 days', now(), INTERVAL '5 minutes') t, generate_series(1, 3) s`);
  await db.sql('ANALYZE sensor_readings');
});
afterAll(() => db.close());

const run = (...args: string[]) =>
  runCli(storageCommand, args, { env: { FIELDWATCH_DATABASE_URL: db.url, NO_COLOR: '1' } });
const json = async (...args: string[]): Promise<Record<string, unknown>[]> =>
  (await run(...args, '--json')).out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

test('compress, stats, chunks, decompress', async () => {
  const planned = await run('compress', 'sensor_readings', '--older-than', '10 days', '--dry-run');
  expect(planned.out).toContain('compress_chunk');
  const compressed = await run('compress', 'sensor_readings', '--older-than', '10 days');
  expect(compressed).toMatchObject({
    code: 0,
    out: expect.stringMatching(/one at a time: (9|10|11) chunks/),
  });

  const [stats] = (await json('stats')).filter(({ relation }) => relation === 'sensor_readings');
  expect(stats).toMatchObject({ chunks: 21, indexes: ['sensor_readings_key'] });
  expect(stats?.['ratio']).toBeGreaterThan(2);

  const chunks = await json('chunks', 'sensor_readings', '--limit', '100');
  expect(chunks).toHaveLength(21);
  const states = chunks.map(({ state }) => state);
  expect(states[0]).toBe('row');
  expect(states.at(-1)).toBe('compressed');
  const oldest = String(chunks.at(-1)?.['chunk']);
  expect((await run('decompress', oldest)).code).toBe(0);
  expect((await json('chunks', 'sensor_readings', '--limit', '100')).at(-1)).toMatchObject({
    chunk: oldest,
    state: 'row',
  });
});

test('refresh goes as far as the source has rows, in whole buckets', async () => {
  const done = await run('refresh', 'sensor_hourly_agg', '--from', '60d');
  expect(done).toMatchObject({ code: 0 });
  expect(done.out.trim().split('\n').length).toBeGreaterThan(2);
  const [hours] = await db.sql<{ n: number }>('SELECT count(*)::int AS n FROM sensor_hourly_agg');
  expect(hours?.n).toBeGreaterThan(3 * 24 * 19);
  expect((await run('refresh', 'sensor_hourly_agg', '--from', '90d', '--to', '60d')).err).toContain(
    'has nothing in that range',
  );
});

test('explain: our queries touch the chunks of their range only', async () => {
  const rows = await json('explain');
  const recent = rows.find(({ query }) => query === 'readings recent --since 1h');
  expect(recent).toMatchObject({ of: 21 });
  expect(recent?.['touched']).toBeLessThanOrEqual(2);
});

test('drop: shows first, needs --yes, and refuses what a refresh still reaches', async () => {
  const shown = await run('drop', 'sensor_readings', '--older-than', '15 days', '--dry-run');
  expect(shown).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^would delete 5 chunks of sensor_readings/),
  });
  expect((await run('drop', 'sensor_readings', '--older-than', '15 days')).code).toBe(1);
  expect(await json('chunks', 'sensor_readings')).toHaveLength(21);
  expect(await run('drop', 'sensor_readings', '--older-than', '15 days', '--yes')).toMatchObject({
    code: 0,
    out: expect.stringContaining(': 5 chunks'),
  });
  expect(await json('chunks', 'sensor_readings')).toHaveLength(16);
  const [noted] = await db.sql<{ days: number }>(
    `SELECT round(extract(epoch FROM now() - dropped_before) / 86400)::int AS days FROM storage_horizons WHERE relation = 'sensor_readings'`,
  );
  expect(noted).toEqual({ days: 15 });
  await expect(run('drop', 'sensor_readings', '--older-than', '3 days', '--yes')).rejects.toMatchObject({
    code: 'DROP_REACHED_BY_REFRESH',
    remedy: 'Drop nothing younger than 73 hours.',
  });
});

test('a late row in place of a dropped chunk: a refresh leaves the bucket as it was', async () => {
  const before = await db.sql('SELECT * FROM sensor_hourly_agg ORDER BY hour, sensor_id');
  await db.sql(
    `INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (now() - INTERVAL '17 days', 1, 99)`,
  );
  const { code, err } = await run('refresh', 'sensor_hourly_agg', '--from', '18d', '--to', '16d');
  expect(code).toBe(0);
  expect(err).toMatch(/\d+ buckets? with more readings than the source still has: left as they are/);
  expect(await db.sql('SELECT * FROM sensor_hourly_agg ORDER BY hour, sensor_id')).toEqual(before);
});

test('what cannot be done says so, with what was done before, and exit 1', async () => {
  await db.sql(
    `INSERT INTO sensor_alerts (time, sensor_id, alert_type) VALUES (now() - INTERVAL '30 days', 1, 't')`,
  );
  expect(await run('compress', 'sensor_alerts', '--older-than', '10 days')).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringMatching(
      /^fieldwatch: compress chunks of sensor_alerts .*: 0 chunks, then: database: /,
    ),
  });
  expect(await run('decompress', 'no_such_chunk')).toMatchObject({
    code: 1,
    err: expect.stringContaining('42P01'),
  });
  expect(await run('drop', 'sensor_metrics', '--older-than', '10 days', '--yes')).toMatchObject({
    code: 0,
    out: 'no chunk of sensor_metrics is older than 10 days\nnote that what is older than 10 days of sensor_metrics is dropped on purpose\n',
  });
});
