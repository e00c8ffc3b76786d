import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { policiesCommand } from '../../../src/cli/policies/index.ts';
import { runCli } from '../../support/cli.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';

let db: PolicyDatabase;
beforeAll(async () => {
  db = await openPolicyDatabase();
});
afterAll(() => db.close());

const run = (...args: string[]) =>
  runCli(policiesCommand, args, { env: { FIELDWATCH_DATABASE_URL: db.url, NO_COLOR: '1' } });

test('verify: 0 without a finding, 1 with one, which it names', async () => {
  const fine = await run('verify');
  expect(fine).toMatchObject({ code: 0, out: expect.stringMatching(/^ok: \d+ checks, no finding\n$/) });
  expect(JSON.parse((await run('verify', '--json')).out)).toEqual({ ok: true, findings: [] });

  await db.sql(`SELECT remove_retention_policy('sensor_readings')`);
  const found = await run('verify');
  expect(found.code).toBe(1);
  expect(found.out).toContain('MISSING sensor_readings retention (policies)');
  expect(found.out).toContain("remedy    SELECT add_retention_policy('public.sensor_readings'");
  const parsed = JSON.parse((await run('verify', '--json')).out);
  expect(parsed).toMatchObject({
    ok: false,
    findings: [{ subject: 'sensor_readings retention', verdict: 'missing' }],
  });
});

test('show: every declared policy with its job', async () => {
  const { code, out } = await run('show', '--json');
  const rows = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(code).toBe(0);
  expect(rows).toHaveLength(16);
  expect(rows.filter(({ verdict }) => verdict !== 'ok')).toMatchObject([
    { relation: 'sensor_readings', policy: 'retention', verdict: 'missing', job: null },
  ]);
  expect((await run('show')).out).toMatch(/sensor_hourly_agg +refresh +ok +start_offset = 3 days/);
});

test('plan prints the SQL that repair runs; afterwards all is well', async () => {
  const planned = await run('plan');
  expect(planned).toMatchObject({
    code: 0,
    out: expect.stringContaining("SELECT add_retention_policy('public.sensor_readings'"),
  });
  expect((await run('repair', '--dry-run')).out).toBe(planned.out);
  expect((await run('repair', '--only', 'compression')).out).toBe('nothing to repair\n');
  const repaired = await run('repair');
  expect(repaired).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^done {4}create sensor_readings retention\nall is well\n$/),
  });
  expect((await run('verify')).code).toBe(0);
  expect((await run('plan')).out).toBe('-- nothing to repair\n');
});

test('what deletes needs --yes', async () => {
  await db.sql(`INSERT INTO sensor_readings (time, sensor_id) VALUES (now() - INTERVAL '100 days', 1)`);
  expect((await run('plan')).out).toContain('-- DELETES (needs --yes): drop chunks of sensor_readings');
  const held = await run('repair');
  expect(held).toMatchObject({ code: 1, out: expect.stringContaining('left    DELETES (needs --yes)') });
  expect(await run('repair', '--yes')).toMatchObject({ code: 0, out: expect.stringContaining('(1 chunk)') });
});

test('an unknown check is a usage error', async () => {
  const { code, err } = await run('repair', '--only', 'everything');
  expect(code).toBe(2);
  expect(err).toContain('No check "everything"');
});

test('an older program is refused before it verifies or repairs', async () => {
  await db.sql(
    `INSERT INTO schema_migrations (version, name, checksum) VALUES (998, 'one', ''), (999, 'later', '')`,
  );
  try {
    for (const command of ['verify', 'plan', 'repair'])
      await expect(run(command)).rejects.toMatchObject({
        code: 'SCHEMA_NEWER',
        message: expect.stringMatching(/version 999 \(later\); this program, \d[^ ]*, knows up to \d+$/),
      });
  } finally {
    await db.sql('DELETE FROM schema_migrations WHERE version > 900');
  }
});
