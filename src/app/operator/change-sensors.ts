import type pg from 'pg';
import { silentLogger } from '../../adapters/log/logger.ts';
import { createCatalog } from '../../adapters/timescale/policy/catalog.ts';
import { databaseError } from '../../adapters/timescale/errors.ts';
import { createPool } from '../../adapters/timescale/connection/pool.ts';
import {
  type SensorChangeKind,
  type SensorHoldings,
  changeSensor,
  conflictsBetween,
  holdingsOf,
  moveReadings,
  pendingMoves,
} from '../../adapters/timescale/ingest/sensor-moves.ts';
import { createStatementExecutor } from '../../adapters/timescale/policy/statement-executor.ts';
import type { Config } from '../../config/schema/index.ts';
import { counted } from '../../core/counted.ts';
import { lateCheckWithin } from '../../core/policy/check/late.ts';
import { planOf } from '../../core/policy/plan.ts';
import { plainText } from '../../core/printable.ts';
import { unknownSensor } from '../../queries/names.ts';
import { runRepair } from '../../services/policy/repair-runner.ts';
import { databaseOptions } from '../options.ts';

/** A sensor that is to be renamed, merged or forgotten. */
export interface SensorRequest {
  readonly kind: SensorChangeKind;
  readonly key: string;
  readonly target?: string;
}

/** The rows of a sensor, and the change that was or would be made. */
export interface SensorAccount extends SensorRequest, SensorHoldings {
  readonly done: boolean;
  /** For a merge: times at which the two sensors have different values. */
  readonly conflicts: number;
  readonly closedAlerts: number;
}

export interface SensorChangeDeps {
  readonly config: Config;
  readonly url: string;
  /** In the name of the connection. */
  readonly purpose: string;
  readonly signal: AbortSignal;
  /** Something that is worth a line. */
  readonly note: (line: string) => void;
}

/** Does it in the name of `by`; without a name it only says what would be done. One account a sensor. */
export async function* changeSensors(
  all: readonly SensorRequest[],
  by: string | undefined,
  deps: SensorChangeDeps,
): AsyncGenerator<SensorAccount> {
  const { pool, client } = await connect(deps);
  const before: SensorAccount[] = [];
  try {
    // The remains of an interrupted command come first.
    if (by !== undefined) await finish(client, deps);
    for (const request of all) before.push(await examine(client, request));
    for (const account of before) {
      if (by === undefined) {
        yield account;
        continue;
      }
      const closedAlerts = await changeSensor(client, { ...account, by });
      await finish(client, deps);
      yield { ...account, closedAlerts, done: true };
    }
  } catch (error) {
    throw databaseError(error, 'changing sensors');
  } finally {
    client.release();
    await pool.end();
  }
  if (by !== undefined) await refreshAggregates(before, deps);
}

/** One connection without a limit on statements: a chunk may hold millions of rows. */
export async function connect({
  config,
  url,
  purpose,
}: Pick<SensorChangeDeps, 'config' | 'url' | 'purpose'>): Promise<{
  readonly pool: pg.Pool;
  readonly client: pg.PoolClient;
}> {
  const options = { ...databaseOptions(config, url, purpose), statementTimeoutMs: 0, max: 1 };
  const pool = await createPool(options, silentLogger);
  try {
    return { pool, client: await pool.connect() };
  } catch (error) {
    await pool.end();
    throw databaseError(error, 'changing sensors');
  }
}

async function examine(client: pg.ClientBase, request: SensorRequest): Promise<SensorAccount> {
  const found = await holdingsOf(client, request.key);
  if (found === undefined) throw await unknownSensor(client, request.key);
  const target = request.target === undefined ? undefined : await holdingsOf(client, request.target);
  if (request.kind === 'merge' && target === undefined) throw await unknownSensor(client, request.target!);
  const conflicts = request.kind === 'merge' ? await conflictsBetween(client, found.id, target!.id) : 0;
  return { ...request, ...found, conflicts, closedAlerts: found.openAlerts, done: false };
}

/** Moves or deletes what still lies under ids that are gone. */
async function finish(client: pg.ClientBase, { note }: SensorChangeDeps): Promise<void> {
  for (const move of await pendingMoves(client)) {
    const { conflicts } = await moveReadings(client, move);
    if (conflicts > 0)
      note(
        `${counted(conflicts, 'row')} of ${plainText(move.key)} had other values: see the dead letter (merge_conflict)`,
      );
  }
}

/** Refreshes hours beyond the window of the refresh policy; the others follow with the next refresh. */
async function refreshAggregates(
  accounts: readonly SensorAccount[],
  { config, url, purpose, signal, note }: SensorChangeDeps,
): Promise<void> {
  const ranges = accounts.flatMap(({ kind, first, last }) =>
    kind === 'rename' || first === null || last === null
      ? []
      : [{ from: first.getTime() * 1000, until: last.getTime() * 1000 + 1 }],
  );
  if (ranges.length === 0) return;
  const database = databaseOptions(config, url, purpose);
  const catalog = createCatalog({ ...database, statementTimeoutMs: 60_000 });
  const executor = createStatementExecutor(database);
  try {
    const plan = planOf(config.policies);
    const checks = [lateCheckWithin(ranges)];
    const { runs } = await runRepair({ catalog, executor, plan, checks, effects: ['refresh'], signal });
    const failed = runs.find(({ error }) => error !== undefined);
    if (failed !== undefined)
      note(
        `aggregates are not up to date (${plainText(failed.error ?? '')}): run \`fieldwatch policies repair --only late\``,
      );
  } finally {
    await executor.close();
    await catalog.close();
  }
}
