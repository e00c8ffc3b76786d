import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createPreparedCatalog } from '../../support/prepared-catalog.ts';
import { createStatementExecutor } from '../../../src/adapters/timescale/policy/statement-executor.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { runRepair } from '../../../src/services/policy/repair-runner.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';
import { isNightly } from '../../support/rounds.ts';
import { REAL_SERVER } from '../../support/server-db.ts';
import { planWith } from '../../support/policy-plan.ts';

/** More than a server has locks for in one transaction; the embedded one takes a minute for as many. */
const CHUNKS = isNightly || REAL_SERVER !== undefined ? 1750 : 500;
const PATIENCE_MS = 300_000;
/** An hour a chunk, kept for thirty days: a table whose retention stood still for ten weeks. */
const plan = planWith({
  hypertables: { app_metrics: { chunk_interval: '1 hour', compression: { enabled: false } } },
});

let db: PolicyDatabase;
beforeAll(async () => {
  db = await openPolicyDatabase();
  await db.sql(`SELECT remove_compression_policy('app_metrics')`);
  await db.sql(`SELECT set_chunk_time_interval('app_metrics', INTERVAL '1 hour')`);
  // In portions: creating them all in one transaction would run out of locks, too.
  for (let from = 0; from < CHUNKS; from += 250) {
    await db.sql(`INSERT INTO app_metrics (time, host, metric_name, value)
      SELECT date_trunc('hour', now()) - INTERVAL '31 days' - INTERVAL '1 hour' * n, 'h', 'm', n
      FROM generate_series(${from}, ${from + 249}) n`);
  }
}, PATIENCE_MS);
afterAll(() => db.close());

test(
  'a retention backlog of many chunks is found, and dropped in slices',
  async () => {
    const before = await db.lines(plan);
    expect(before).toEqual([
      'retention | app_metrics retention | stalled',
      ...(CHUNKS > 1500 ? ['chunks | app_metrics | unsafe'] : []),
    ]);

    const catalog = createPreparedCatalog({ url: db.url });
    const executor = createStatementExecutor({ url: db.url });
    const [signal, effects] = [new AbortController().signal, ['drop'] as const];
    // Interrupted after a few statements, and taken up again where it was.
    const first = await runRepair({ catalog, executor, plan, checks: CHECKS, effects, signal, most: 3 });
    expect(first.runs.map(({ done }) => done)).toEqual([150]);
    const second = await runRepair({ catalog, executor, plan, checks: CHECKS, effects, signal });
    expect(second.runs).toMatchObject([{ done: CHUNKS - 150, error: undefined }]);
    expect(await db.lines(plan)).toEqual([]);
    await executor.close();
    await catalog.close();
  },
  PATIENCE_MS,
);
