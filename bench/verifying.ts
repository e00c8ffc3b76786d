import { setTimeout as sleep } from 'node:timers/promises';
import { createMetrics } from '../src/adapters/http/metrics.ts';
import { silentLogger } from '../src/adapters/log/logger.ts';
import { createSystemClock } from '../src/adapters/system/clock.ts';
import { createCatalog } from '../src/adapters/timescale/policy/catalog.ts';
import { createReadingStore } from '../src/adapters/timescale/ingest/reading-store.ts';
import { EMPTY_ALERT_BATCH } from '../src/core/alert/model.ts';
import { assess } from '../src/core/policy/assess.ts';
import { CHECKS } from '../src/core/policy/check/index.ts';
import { seededRandom } from '../src/simulator/random.ts';
import { withClient } from '../test/support/pg-client.ts';
import { type Sql, addForeignTrigger, makeManyChunks, manyChunksPlan } from './many-chunks.ts';
import type { BenchOptions } from './options.ts';
import type { Figure } from './report.ts';
import { median, percentile } from './stats.ts';
import { type Timeline, readingsOf } from './workload.ts';

const LIMIT_MS = 2000;
/** Batches as a daemon with some hundred sensors commits them. */
const ROWS = 100;
const PAUSE_MS = 10;

/**
 * (h) Verifying the policies of 2,400 chunks: how long it takes in the session of a daemon, in a new one (as the command
 * has it), and with a trigger of another program; and how long commits take meanwhile, against the same commits with
 * nothing else going on. Needs a database of its own, which is another one afterwards.
 */
export async function benchVerifying(
  url: string,
  { sizes, seed }: BenchOptions,
  timeline: Timeline,
  progress: (text: string) => void,
): Promise<readonly Figure[]> {
  await changing(url, (sql) => prepare(sql, progress));
  const [catalog, plan] = [createCatalog({ url }), manyChunksPlan()];
  const store = createReadingStore(
    { url },
    { clock: createSystemClock(), logger: silentLogger, metrics: createMetrics() },
  );
  const random = seededRandom(seed);
  /**
   * One commit after the other, with a pause: how long each took, sorted. A daemon does not queue commits either; while one
   * waits, the next batch grows.
   */
  const commits = async (going: () => boolean): Promise<readonly number[]> => {
    const times: number[] = [];
    while (going()) {
      const readings = readingsOf(ROWS, timeline.take(ROWS), random);
      times.push(
        await timed(
          async () =>
            void (await store.commit({ readings, deadLetters: [], alerts: EMPTY_ALERT_BATCH, retry: false })),
        ),
      );
      await sleep(PAUSE_MS);
    }
    return times.sort((a, b) => a - b);
  };
  try {
    const once = () => timed(async () => void (await assess(catalog, plan, CHECKS)));
    await once();
    const repeated = async (run: () => Promise<number>): Promise<readonly number[]> => {
      const times: number[] = [];
      while (times.length < sizes.verifyRuns) times.push(await run());
      return times;
    };
    const alone = await repeated(once);
    const until = performance.now() + median(alone) * sizes.verifyRuns;
    const quiet = await commits(() => performance.now() < until);
    let verifying = true;
    const meanwhile = commits(() => verifying);
    const busy = await repeated(once);
    verifying = false;
    const commitsMeanwhile = await meanwhile;
    const fresh = await repeated(() => inNewSession(url));
    await changing(url, addForeignTrigger);
    const tried = await repeated(() => inNewSession(url));
    return figuresOf({ alone, busy, fresh, tried }, quiet, commitsMeanwhile);
  } finally {
    await store.close();
    await catalog.close();
  }
}

/** As `fieldwatch policies verify` does it, but for the start of the program: the server's caches of a session are empty. */
const inNewSession = (url: string): Promise<number> =>
  timed(async () => {
    const catalog = createCatalog({ url });
    await assess(catalog, manyChunksPlan(), CHECKS).finally(() => catalog.close());
  });

const changing = (url: string, change: (sql: Sql) => Promise<void>): Promise<void> =>
  withClient(url, (client) =>
    change(
      async <Row>(text: string, values?: unknown[]) =>
        (values === undefined ? await client.query(text) : await client.query(text, values)).rows as Row[],
    ),
  );

async function prepare(sql: Sql, progress: (text: string) => void): Promise<void> {
  progress('(h) making 2,400 chunks');
  // A server's own workers would compress and refresh while this is measured.
  await sql(
    'SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id >= 1000',
  );
  await makeManyChunks(sql);
  progress('(h) verifying them');
}

interface Verified {
  readonly alone: readonly number[];
  readonly busy: readonly number[];
  readonly fresh: readonly number[];
  readonly tried: readonly number[];
}

function figuresOf(
  { alone, busy, fresh, tried }: Verified,
  quiet: readonly number[],
  meanwhile: readonly number[],
): readonly Figure[] {
  const limit = { what: 'limit', unit: 'ms', value: LIMIT_MS, runs: [LIMIT_MS] };
  const verified = (measure: string, runs: readonly number[]): Figure => {
    const value = median(runs);
    return {
      part: 'h',
      measure,
      unit: 'ms',
      value,
      runs,
      reference: limit,
      ratio: LIMIT_MS / value,
      target: 1,
    };
  };
  const commit = (name: string, share: number): Figure => {
    const [value, reference] = [percentile(meanwhile, share), percentile(quiet, share)];
    return {
      ...{ part: 'h', measure: `commit of ${ROWS} meanwhile, ${name}`, unit: 'ms', value, runs: [value] },
      reference: { what: 'alone', unit: 'ms', value: reference, runs: [reference] },
      ratio: reference / value,
      ...(share === 1 ? { note: `${meanwhile.length} commits meanwhile, ${PAUSE_MS} ms between two` } : {}),
    };
  };
  return [
    verified('verifying 2,400 chunks', alone),
    verified('the same, with commits', busy),
    verified('in a new session', fresh),
    verified('the same, with a foreign trigger', tried),
    commit('p50', 0.5),
    commit('p99', 0.99),
    commit('longest', 1),
  ];
}

async function timed(run: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await run();
  return performance.now() - startMs;
}
