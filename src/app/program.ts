import { createMetrics } from '../adapters/http/metrics.ts';
import { createCorrectableClock, createSystemClock } from '../adapters/system/clock.ts';
import type { Config } from '../config/schema/index.ts';
import { RuleSet } from '../core/alert/rules/rule-set.ts';
import { CleanupStack } from '../lib/cleanup-stack.ts';
import { sleep } from '../lib/sleep.ts';
import type { Logger } from '../ports/metrics.ts';
import type { ReadingStore } from '../ports/store.ts';
import type { Clock } from '../ports/time.ts';
import type { ShardTable } from '../services/alert/cluster/shard-table.ts';
import { ProgramEvaluator } from '../services/alert/program-evaluator.ts';
import { BatchWriter } from '../services/ingest/batch-writer.ts';
import { DeadLetterBudget } from '../services/ingest/dead-letter-budget.ts';
import { OutageMonitor } from '../services/ingest/outage-monitor.ts';
import { SensorRegistry } from '../services/ingest/sensor-registry.ts';
import { recordingLate } from '../services/policy/late-refresh.ts';
import { liveOf } from './build.ts';
import type { Base, Context } from './context.ts';
import { registryOptions } from './options.ts';
import { applyRules, followLocations, openAlertManager, watchTime } from './wiring/alert.ts';
import { monitorClock, openDatabase, prepareDatabase } from './wiring/database.ts';
import { createLateRefresh } from './wiring/policy.ts';
import { evaluatedByDaemon, programServers } from './wiring/program.ts';
import { openShardTable, shareEvaluation } from './wiring/shards.ts';

export interface ProgramOptions {
  readonly logger: Logger;
  /** Whether it has rules of its own. */
  readonly evaluates: boolean;
  /** How long a batch is tried while the database is away. */
  readonly giveUpAfterMs: number;
}

/** The write side of a program: what a daemon has, without a broker, a spool, sinks and the scheduler. */
export interface Program extends Pick<
  Context,
  'config' | 'clock' | 'logger' | 'live' | 'database' | 'registry' | 'deadLetters' | 'writer'
> {
  readonly evaluator: ProgramEvaluator;
  /** The store of the writer: what comes too late for the refresh policies is noted, and refreshed. */
  readonly store: ReadingStore;
  /** With rules of its own: puts these in force, for what is open and for the sensors as they are now. */
  readonly follow: ((alerts: Config['alerts']) => Promise<void>) | undefined;
  /** Writes what is under way, gives its shards back, and disconnects. Idempotent. */
  close(): Promise<void>;
}

/** How long ago a daemon may have been there to count as the one that evaluates. */
const DAEMON_SEEN_MS = 24 * 3_600_000;
/** Readings handed over before are evaluated first: a long queue is not waited for. */
const CATCH_UP_TRIES = 100;
const CATCH_UP_PAUSE_MS = 50;

/** Starts all or nothing: a failure releases what was acquired and is thrown on. */
export async function openProgram(config: Config, options: ProgramOptions): Promise<Program> {
  const { logger } = options;
  const clock = createCorrectableClock(createSystemClock());
  const cleanup = new CleanupStack(logger);
  const base: Base = { config, clock, logger, metrics: createMetrics(), cleanup, live: liveOf(config) };
  try {
    return await assemble(base, options);
  } catch (error) {
    await cleanup.releaseAll();
    throw error;
  }
}

async function assemble(base: Base, { evaluates, giveUpAfterMs }: ProgramOptions): Promise<Program> {
  const { config, clock, logger, metrics, cleanup, live } = base;
  const servers = await programServers(config, logger, cleanup);
  const database = await openDatabase({ ...base, servers });
  const registry = new SensorRegistry(registryOptions(config), {
    ...{ directory: database.directory, clock, logger, metrics },
  });
  const found = { ...base, servers, database, registry };
  const rules = evaluates ? openRules(found) : undefined;
  const evaluator = new ProgramEvaluator({
    own: rules?.shared?.evaluator,
    latestDaemon: () => database.leaseStore.latestDaemon(DAEMON_SEEN_MS),
    clock,
  });
  const deadLetters = new DeadLetterBudget(config.dead_letters.max_per_minute, base);
  const lateRefresh = createLateRefresh(found);
  const { min: baseMs, max: capMs } = config.ingest.retry;
  const store = recordingLate(database.store, lateRefresh);
  const writer = new BatchWriter(
    { baseMs, capMs },
    {
      ...{ registry, alertManager: evaluator, deadLetters, clock, logger, metrics, giveUpAfterMs },
      ...{ store, random: Math.random },
      watch: new OutageMonitor(base),
    },
  );
  const clockMonitor = monitorClock({ ...found, arrivalClocks: undefined });
  await prepareDatabase(found);
  await clockMonitor.compare();
  const daemon = await evaluator.seenDaemon();
  if (evaluates && daemon !== undefined) throw evaluatedByDaemon(daemon.member);
  await registry.load();
  lateRefresh?.start();
  const program = { config, clock, logger, live, database, store, registry, deadLetters, writer, evaluator };
  if (rules !== undefined) await startRules({ ...found, ...rules, writer, evaluator });
  cleanup.add('batches under way', async () => void (await writer.between(() => undefined)));
  return {
    ...program,
    follow: rules && ((alerts) => follow({ ...program, ...rules }, alerts)),
    close: () => cleanup.releaseAll(),
  };
}

async function follow(
  { live, registry, writer, alertManager }: Pick<Context, 'live' | 'registry' | 'writer' | 'alertManager'>,
  alerts: Config['alerts'],
): Promise<void> {
  const rules = new RuleSet(alerts);
  await applyRules(rules, registry, alertManager, writer);
  // The writer has given up.
  if (!alertManager.follows(rules)) throw writer.lastFailure;
  live.config = { ...live.config, alerts };
}

/** The states of the shards that it got at once are read: its first reading is evaluated with its batch. */
async function caughtUp(shards: ShardTable, clock: Clock): Promise<void> {
  for (let tries = 0; tries < CATCH_UP_TRIES && shards.in('new', 'catching_up').length > 0; tries++)
    await sleep(clock, CATCH_UP_PAUSE_MS);
}

type Rules = Pick<Context, 'alertManager' | 'shared' | 'shards'>;

/** The engine of a program that evaluates: a member of the group without a name, in which programs share the sensors. */
function openRules(context: Base & Pick<Context, 'servers' | 'database' | 'registry'>): Rules {
  const shards = openShardTable(context.config);
  const alertManager = openAlertManager({ ...context, dispatcher: undefined, spool: undefined, shards });
  const shared = shareEvaluation({ ...context, shards, alertManager, source: undefined });
  context.cleanup.add('alert manager', () => alertManager.stop());
  return { alertManager, shared, shards };
}

async function startRules(
  context: Base & Rules & Pick<Context, 'registry'> & Pick<Program, 'writer' | 'evaluator'>,
): Promise<void> {
  const { alertManager, shared, shards, registry, writer, evaluator, clock } = context;
  if (shared === undefined || shards === undefined) return;
  followLocations({ ...context, writer });
  await alertManager.sensorsChanged(registry);
  const ready = async (decides: boolean) =>
    (await evaluator.seenDaemon()) === undefined && (await shared.ready(decides));
  watchTime(alertManager, writer, { ready });
  await shared.start(writer);
  await caughtUp(shards, clock);
}
