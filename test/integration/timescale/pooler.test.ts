import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import { examineServer } from '../../../src/adapters/timescale/connection/examine.ts';
import { AdvisoryLeaderLock } from '../../../src/adapters/timescale/policy/leader-lock.ts';
import { createPool, endPool } from '../../../src/adapters/timescale/connection/pool.ts';
import { DatabaseSession } from '../../../src/adapters/timescale/connection/session.ts';
import { metricsCommand } from '../../../src/cli/metrics.ts';
import { migrateCommand } from '../../../src/cli/migrate.ts';
import { policiesCommand } from '../../../src/cli/policies/index.ts';
import { sensorsCommand } from '../../../src/cli/sensors/index.ts';
import { runCli } from '../../support/cli.ts';
import { eventually } from '../../support/eventually.ts';
import { PgBouncer, type PgBouncerOptions } from '../../support/pgbouncer.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { describeWith } from '../../support/tools.ts';

const deps = { clock: createSystemClock(), logger: new QuietLogger() };

describeWith('initdb', 'pgbouncer')('a pooler before the database', () => {
  let server: PostgresServer;
  const closers: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    server = await PostgresServer.start();
    await server.sql(`CREATE ROLE pooled LOGIN PASSWORD 'pooled'`);
  }, 60_000);
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  afterAll(() => server.stop());

  async function bouncer(mode: PgBouncerOptions['mode']): Promise<PgBouncer> {
    const started = await PgBouncer.start({
      mode,
      target: server.url({ user: 'pooled', password: 'pooled' }),
    });
    closers.push(() => started.stop());
    return started;
  }

  test('without one none is seen', async () => {
    expect(await examineServer({ url: server.url() })).toEqual({ pooler: undefined, encoding: 'UTF8' });
  });

  test('of whole sessions works: settings, a lock that ends with its connection, an outage reported as such', async () => {
    const { url } = await bouncer('session');
    expect((await examineServer({ url })).pooler).toBe('session');
    const pool = await createPool({ url, max: 2 }, deps.logger);
    closers.push(() => endPool(pool, deps.clock));
    const { rows } = await pool.query<{ zone: string }>(`SELECT current_setting('TimeZone') AS zone`);
    expect(rows).toEqual([{ zone: 'UTC' }]);

    const [first, second] = [new AdvisoryLeaderLock({ url }, deps), new AdvisoryLeaderLock({ url }, deps)];
    closers.push(() => second.release());
    expect(await first.tryHold()).toBe(true);
    expect(await second.tryHold()).toBe(false);
    await first.release();
    // The pooler resets the connection first.
    await eventually('the lock is free', () => second.tryHold());

    await server.halt('immediate');
    const session = new DatabaseSession({ url, connectTimeoutMs: 1000 }, deps);
    closers.push(() => session.close());
    await expect(session.run((work) => work.query('SELECT 1'))).rejects.toMatchObject({ kind: 'transient' });
    await server.launch();
  });

  test('of transactions is refused with a remedy, and keeps no setting of ours', async () => {
    const { url } = await bouncer('transaction');
    await expect(examineServer({ url })).rejects.toMatchObject({
      ...{ code: 'DB_POOLER_MODE', kind: 'schema' },
      remedy: expect.stringContaining('pool_mode = session'),
    });
    // Both server connections that were looked at, held at once so that each is asked.
    const others = [1, 2].map(() => new pg.Client(url));
    for (const other of others) {
      await other.connect();
      await other.query('BEGIN');
      const { rows } = await other.query<{ limit: string; path: string }>(
        `SELECT current_setting('idle_in_transaction_session_timeout') AS limit, current_setting('search_path') AS path`,
      );
      expect(rows).toEqual([{ limit: '0', path: '"$user", public' }]);
    }
    for (const other of others) await other.end();
  });

  test('of transactions is refused by commands, too; of whole sessions they work', async () => {
    const commands = [
      [migrateCommand, ['--status']],
      [migrateCommand, []],
      [metricsCommand, ['list']],
      [sensorsCommand, ['list']],
      [policiesCommand, ['verify']],
    ] as const;
    const run = async (url: string, [build, args]: (typeof commands)[number]) => {
      const env = { FIELDWATCH_DATABASE_URL: url };
      return runCli(build, args, { env }).then(
        () => 'done',
        ({ code }: { code?: string }) => code,
      );
    };
    const { url: shared } = await bouncer('transaction');
    for (const command of commands) expect(await run(shared, command)).toBe('DB_POOLER_MODE');
    const { url: whole } = await bouncer('session');
    for (const command of commands) expect(await run(whole, command)).not.toBe('DB_POOLER_MODE');
  });

  test('of statements is refused, too', async () => {
    const { url } = await bouncer('statement');
    await expect(examineServer({ url })).rejects.toMatchObject({ code: expect.stringMatching(/^DB_POOLER/) });
  });

  test('a wrong password and a database that is not there are reported as such', async () => {
    const { url } = await bouncer('session');
    await expect(examineServer({ url: url.replace('pooled:pooled', 'pooled:wrong') })).rejects.toMatchObject({
      code: 'DB_AUTH',
    });
    await expect(examineServer({ url: url.replace(/\/postgres$/, '/nowhere') })).rejects.toMatchObject({
      kind: 'transient',
    });
  });
});
