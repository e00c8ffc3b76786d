import type pg from 'pg';
import { queryOnce, withClient } from '../../test/support/pg-client.ts';
import { becomes, pause } from '../../test/support/eventually.ts';
import { APPLICATION_NAME, type Fault, NotInjected } from './fault.ts';

const TERMINATE = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1';
/** A daemon that is starting has no session for a while. */
const SEEN_MS = 20_000;

/** Faults by other sessions and administrators. */
export const SESSION_FAULTS: readonly Fault[] = [
  {
    kind: 'lock-wait',
    target: 'database',
    holdMs: [500, 3000],
    inject: async ({ database, signal }, { holdMs }) => {
      const waitMs = await withClient(database.url, async (client) => {
        const began = performance.now();
        await client.query('BEGIN');
        // The embedded server runs one transaction at a time: an open one blocks all others.
        const lock =
          database.embedded === undefined ? 'LOCK TABLE sensor_readings IN EXCLUSIVE MODE' : 'SELECT 1';
        await client.query(lock);
        const waited = performance.now() - began;
        await pause(holdMs, signal);
        await client.query('COMMIT');
        return Math.round(waited);
      });
      return `held for ${holdMs} ms, got after ${waitMs} ms`;
    },
  },
  {
    kind: 'backend-terminated',
    target: 'database',
    needs: 'server',
    holdMs: [0, 0],
    inject: async ({ database, signal }) => {
      let ended = 0;
      const some = async () =>
        (ended = (await queryOnce(database.url, TERMINATE, [APPLICATION_NAME])).length) > 0;
      if (!(await becomes(some, { withinMs: SEEN_MS, signal })))
        throw new NotInjected('no backend to terminate');
      return `${ended} backend(s) terminated`;
    },
  },
  {
    kind: 'deadlock',
    target: 'database',
    needs: 'server',
    holdMs: [300, 800],
    inject: async ({ database, signal }, { holdMs }) => {
      const victim = await withClient(database.url, async (client) => deadlock(client, holdMs, signal));
      return victim === 'us' ? 'deadlock, the other session gave way' : 'deadlock, the daemon gave way';
    },
  },
];

/**
 * Takes the two tables of a batch in the opposite order. The daemon waits first, for the second table, so it is the
 * daemon that the server finds in the cycle, unless no batch came between.
 */
async function deadlock(client: pg.Client, holdMs: number, signal: AbortSignal): Promise<'us' | 'daemon'> {
  await client.query('BEGIN');
  try {
    await client.query('LOCK TABLE sensor_metrics IN EXCLUSIVE MODE');
    await pause(holdMs, signal);
    await client.query('LOCK TABLE sensor_readings IN ACCESS EXCLUSIVE MODE');
    return 'daemon';
  } catch (error) {
    if ((error as { code?: unknown }).code === '40P01') return 'us';
    throw error;
  } finally {
    await client.query('ROLLBACK').catch(() => undefined);
  }
}
