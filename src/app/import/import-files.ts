import { basename } from 'node:path';
import type { ImportFormat } from '../../adapters/frame/table-reader.ts';
import { createMetrics } from '../../adapters/http/metrics.ts';
import { createSystemClock } from '../../adapters/system/clock.ts';
import { createCatalog } from '../../adapters/timescale/policy/catalog.ts';
import { AdvisoryLeaderLock } from '../../adapters/timescale/policy/leader-lock.ts';
import { MetricIds } from '../../adapters/timescale/ingest/metric-ids.ts';
import { schemaIsCurrent } from '../../adapters/timescale/migrate/migration-status.ts';
import { createPool, endPool, readerOf } from '../../adapters/timescale/connection/pool.ts';
import { createReadingStore } from '../../adapters/timescale/ingest/reading-store.ts';
import { TimescaleSensorStore } from '../../adapters/timescale/ingest/sensor-store.ts';
import { createStatementExecutor } from '../../adapters/timescale/policy/statement-executor.ts';
import type { Config } from '../../config/schema/index.ts';
import { keptBy } from '../../core/ingest/retention-filter.ts';
import type { TableOptions } from '../../core/ingest/table/table-mapping.ts';
import type { TableChunk } from '../../core/ingest/table/reading-block.ts';
import { lateCheckWithin } from '../../core/policy/check/late.ts';
import { planOf } from '../../core/policy/plan.ts';
import { sleep } from '../../lib/sleep.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { StorableReading } from '../../ports/store.ts';
import { DeadLetterBudget } from '../../services/ingest/dead-letter-budget.ts';
import { type ImportTally, Importer } from '../../services/ingest/importer.ts';
import { OutageMonitor } from '../../services/ingest/outage-monitor.ts';
import { SensorRegistry } from '../../services/ingest/sensor-registry.ts';
import { LateRanges, hoursBefore, recordingLate } from '../../services/policy/late-refresh.ts';
import { runRepair } from '../../services/policy/repair-runner.ts';
import { databaseOptions, metricNameLimits, registryOptions, storeOptions } from '../options.ts';
import { Checkpoint } from './checkpoint.ts';
import { readBlocks } from './blocks-in-thread.ts';
import { blocksOfChunks } from './read-blocks.ts';
import { ImportedRange, recordPastAlerts } from './past-alerts.ts';

export interface ImportFile {
  readonly path: string;
  readonly format: ImportFormat;
}

/** Rows that are in no file: made anew each time, so that nothing is remembered of an interrupted run. */
export interface ImportRows {
  /** In the topic of dead letters. */
  readonly path: string;
  readonly chunks: () => Iterable<TableChunk>;
}

export interface ImportJob {
  readonly files: readonly (ImportFile | ImportRows)[];
  readonly table: TableOptions;
  /** Reads files from their beginning, whatever an interrupted import has stored. */
  readonly restart: boolean;
  readonly refresh: boolean;
  /** Stores the alerts that the rules would have raised, as `backfilled`; files are then read from their beginning. */
  readonly alerts: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (rows: number, share: number) => void;
  /** An interrupted import of this file goes on behind this row. */
  readonly onResumed: (path: string, row: number) => void;
}

export interface ImportOutcome extends ImportTally {
  /** Refreshes of aggregates; undefined where some are left to `policies repair`. */
  readonly refreshes: number | undefined;
  /** Rows of alerts of the past; undefined where they were not asked for. */
  readonly alerts: number | undefined;
}

const identitySql = `
SELECT md5(string_agg(m.applied_at::text, ',' ORDER BY m.version)) AS identity FROM schema_migrations m`;

/**
 * Stores files as readings. Rejects with the first error that stops it; what was committed stays, and the same call goes on behind
 * it. A running daemon stores meanwhile.
 */
export async function importFiles(
  config: Config,
  url: string,
  job: ImportJob,
  logger: Logger,
): Promise<ImportOutcome> {
  const clock = createSystemClock();
  const metrics = createMetrics();
  const deps = { clock, logger, metrics };
  const pool = await createPool({ ...databaseOptions(config, url, 'import'), max: 2 }, logger);
  const late = new LateRanges();
  const imported = new ImportedRange();
  const note = {
    note: (readings: readonly StorableReading[]) => {
      late.add(hoursBefore(readings, clock.nowMs() * 1000));
      imported.note(readings);
    },
  };
  // Limits of a minute and a day are against devices that flood; an import is meant.
  const limits = { ...metricNameLimits(config), maxNewPerSensor: Infinity };
  const metricIds = new MetricIds(limits, () => clock.monotonicMs());
  const plain = createReadingStore({ ...storeOptions(config, url, 'import'), metricIds }, deps);
  const store = recordingLate(plain, note);
  try {
    await schemaIsCurrent(pool);
    const directory = new TimescaleSensorStore(pool);
    const registry = new SensorRegistry(
      { ...registryOptions(config), maxNewPerMinute: Infinity },
      { directory, ...deps },
    );
    await registry.load();
    const { rows } = await readerOf(pool).query<{ identity: string }>(identitySql, []);
    const shared = {
      ...{ registry, store, clock, logger, watch: new OutageMonitor(deps), random: Math.random },
      deadLetters: new DeadLetterBudget(config.dead_letters.max_per_minute, deps),
    };
    const total: ImportTally = {
      ...{ rows: 0, stored: 0, duplicate: 0, merged: 0, conflict: 0 },
      ...{ deadLettered: 0, empty: 0, expired: 0 },
    };
    for (const [index, file] of job.files.entries()) {
      const checkpoint =
        'chunks' in file
          ? undefined
          : await Checkpoint.of(config.state_dir, file.path, {
              database: `${rows[0]?.identity}`,
              options: [file.format, optionsKey(job.table)],
            });
      const tally = await importFile(file, { shared, checkpoint, config, job, index });
      for (const name of Object.keys(total) as (keyof ImportTally)[]) total[name] += tally[name];
    }
    const alerts = job.alerts ? await recordPastAlerts(config, pool, imported, job.signal) : undefined;
    return { ...total, alerts, refreshes: job.refresh ? await refresh(config, url, late, job.signal) : 0 };
  } finally {
    await store.close();
    await endPool(pool, clock);
  }
}

const optionsKey = ({ map, ignore, sensor, timeUnit }: TableOptions): unknown => [
  [...map],
  [...ignore],
  sensor ?? null,
  timeUnit,
];

interface FileImport {
  readonly shared: ConstructorParameters<typeof Importer>[0];
  readonly checkpoint: Checkpoint | undefined;
  readonly config: Config;
  readonly job: ImportJob;
  readonly index: number;
}

async function importFile(
  file: ImportFile | ImportRows,
  { shared, checkpoint, config, job, index }: FileImport,
): Promise<ImportTally> {
  const { signal } = job;
  const { path } = file;
  const done = job.restart || job.alerts || checkpoint === undefined ? 0 : await checkpoint.read();
  if (done > 0) job.onResumed(path, done);
  const importer = new Importer(shared, {
    topic: `import/${basename(path)}`,
    kept: keptBy(planOf(config.policies)),
    batchRows: config.ingest.batch.max_rows,
    onCommitted: (row) => checkpoint?.note(Math.max(row, done)),
    signal,
  });
  try {
    const blocks =
      'chunks' in file
        ? blocksOfChunks(file.chunks(), job.table)
        : readBlocks({ ...file, table: job.table, done }, signal);
    for await (const block of blocks) {
      signal.throwIfAborted();
      const before = importer.tally.rows;
      await importer.add(block);
      job.onProgress(importer.tally.rows - before, (index + block.share) / job.files.length);
    }
    await importer.finish();
  } catch (error) {
    // What is under way is part of what is safe.
    await importer.settle();
    await checkpoint?.save();
    throw error;
  }
  await checkpoint?.remove();
  return importer.tally;
}

const LOCK_ATTEMPTS = 20;
const LOCK_WAIT_MS = 500;

/** Hours and days that the refresh policies do not look back to. Undefined where some are left. */
async function refresh(
  config: Config,
  url: string,
  late: LateRanges,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (late.all.length === 0) return 0;
  const plan = planOf(config.policies);
  const database = databaseOptions(config, url, 'import');
  const catalog = createCatalog({ ...database, statementTimeoutMs: 60_000 });
  const executor = createStatementExecutor(database);
  // A daemon that refreshes the same range would make both fail.
  const lock = new AdvisoryLeaderLock(database, {}, 'late');
  let done = 0;
  try {
    for (let attempt = 0; !(await lock.tryHold()); attempt++) {
      if (attempt === LOCK_ATTEMPTS) return undefined;
      await sleep(createSystemClock(), LOCK_WAIT_MS);
    }
    while (late.all.length > 0) {
      const checks = [lateCheckWithin(late.takeWeek())];
      const { runs } = await runRepair({ catalog, executor, plan, checks, effects: ['refresh'], signal });
      if (signal.aborted || runs.some(({ error }) => error !== undefined)) return undefined;
      done += runs.length;
    }
    return done;
  } finally {
    await lock.release().catch(() => undefined);
    await executor.close();
    await catalog.close();
  }
}
