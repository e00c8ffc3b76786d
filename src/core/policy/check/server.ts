import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { identifier } from '../repair/policy-sql.ts';
import { type Setting, decodeSetting, settingsQuery } from '../setting.ts';
import type { ServerFacts } from '../snapshot.ts';

const CHECK = 'server';
const RESTORING = 'timescaledb.restoring';
const DISABLE_LOAD = 'timescaledb.disable_load';
/** A scheduler and three concurrent jobs: staggered schedules need no more. */
const LEAST_BACKGROUND_WORKERS = 4;
const LEAST_WORKER_PROCESSES = 8;
const STARTING_SECONDS = 30;

type Fault = Omit<Finding, 'check' | 'subject'>;

/** V0: an extension, an edition and a scheduler without which no policy runs. */
export const serverCheck: PolicyCheck = {
  name: CHECK,
  withoutExtension: true,
  about:
    'TimescaleDB is there, switched on, a version and an edition with policies, and its scheduler is alive',
  queries: (_plan, { server }) =>
    server.restoring || server.loadDisabled ? [settingsQuery([RESTORING, DISABLE_LOAD])] : [],
  evaluate: (_plan, { server }, [rows = []]) =>
    faults(
      server,
      rows.map((row) => decodeSetting(row, server)),
    ).map((fault) => ({ check: CHECK, subject: 'server', ...fault })),
};

/** TimescaleDB is installed and active in this database. */
export const isSwitchedOn = (server: ServerFacts): boolean =>
  server.extension !== undefined && server.loaded && !server.restoring;

function faults(server: ServerFacts, settings: readonly Setting[]): readonly Fault[] {
  const fatal =
    missing(server) ?? notLoaded(server, settings) ?? restoring(server, settings) ?? edition(server);
  if (fatal !== undefined) return [fatal];
  return [version(server), standby(server), scheduler(server), workers(server)].filter(
    (fault) => fault !== undefined,
  );
}

function missing(server: ServerFacts): Fault | undefined {
  if (server.extension !== undefined) return undefined;
  return {
    verdict: 'missing',
    severity: 'critical',
    expected: 'extension timescaledb in this database',
    actual: 'not installed',
    remedy: 'CREATE EXTENSION timescaledb; (needs its package, and timescaledb in shared_preload_libraries)',
  };
}

const LOST = 'rows that are written now go to the root tables and are not seen again';

function notLoaded(
  { loaded, loadDisabled, database }: ServerFacts,
  settings: readonly Setting[],
): Fault | undefined {
  if (loaded) return undefined;
  const setting = settings.find(({ name }) => name === DISABLE_LOAD);
  return {
    verdict: 'stalled',
    severity: 'critical',
    expected: 'the library of timescaledb is loaded in each session',
    actual: `${loadDisabled ? 'timescaledb.disable_load = on' : 'it is not among shared_preload_libraries'}: ${LOST}`,
    remedy: loadDisabled
      ? (setting?.remedy('off') ??
        `as superuser: ALTER DATABASE ${identifier(database)} RESET ${DISABLE_LOAD}; -- and the same for a role or the server that sets it`)
      : "add to postgresql.conf the line: shared_preload_libraries = 'timescaledb' (in addition to what is listed there already), and restart the server",
  };
}

function restoring(server: ServerFacts, settings: readonly Setting[]): Fault | undefined {
  if (!server.restoring) return undefined;
  const setting = settings.find(({ name }) => name === RESTORING);
  // The end of a restore resets the setting of the database, and no other.
  const elsewhere = setting !== undefined && !setting.where.startsWith('the database ');
  return {
    verdict: 'stalled',
    severity: 'critical',
    expected: 'timescaledb.restoring = off',
    actual: `timescaledb.restoring = on: no restore was ended, or one is under way; ${LOST}`,
    remedy: `when the restore is done, ${elsewhere ? setting.remedy('off') : 'as superuser in this database: SELECT timescaledb_post_restore();'} -- then \`fieldwatch policies verify\` again: it counts the rows that went to root tables`,
  };
}

function edition(server: ServerFacts): Fault | undefined {
  if (server.license !== 'apache') return undefined;
  return {
    verdict: 'unsupported',
    severity: 'critical',
    expected: 'timescaledb.license = timescale',
    actual: 'timescaledb.license = apache: no compression, no policies, no continuous aggregates',
    remedy: 'install the community edition (not the -oss image) and set timescaledb.license = timescale',
  };
}

function version(server: ServerFacts): Fault | undefined {
  const match = /^(\d+)\.(\d+)/.exec(server.extension ?? '');
  const minor = match?.[1] === '2' ? Number(match[2]) : undefined;
  if (minor !== undefined && minor >= 20 && server.serverVersion >= 150_000) return undefined;
  return {
    verdict: 'unsupported',
    severity: 'warning',
    expected: 'TimescaleDB 2.20 or newer (2.x) on PostgreSQL 15 or newer',
    actual: `TimescaleDB ${server.extension ?? '?'} on PostgreSQL ${Math.floor(server.serverVersion / 10_000)}`,
    remedy: 'upgrade (docs/timescaledb.md); until then a check may not see everything',
  };
}

function standby(server: ServerFacts): Fault | undefined {
  if (!server.standby) return undefined;
  return {
    verdict: 'mismatched',
    severity: 'critical',
    expected: 'a primary',
    actual: 'a standby: it takes no writes and runs no policies',
    remedy: 'point database.url at the primary, or list all hosts with target_session_attrs=read-write',
  };
}

function scheduler(server: ServerFacts): Fault | undefined {
  // A server without TimescaleDB's loader has no workers by design: fieldwatch runs its jobs.
  if (!server.hasWorkers || server.standby || server.schedulers > 0) return undefined;
  // After a restart the launcher starts one for each database, with a short delay.
  if (server.startedSecondsAgo < STARTING_SECONDS) return undefined;
  return {
    verdict: 'stalled',
    severity: 'critical',
    expected: 'a TimescaleDB Background Worker Scheduler in this database',
    actual: 'none: no policy runs, and none will until it is started',
    remedy:
      'as superuser: SELECT _timescaledb_functions.start_background_workers(); see also timescaledb.max_background_workers',
  };
}

function workers(server: ServerFacts): Fault | undefined {
  const background = server.backgroundWorkers;
  if (background === undefined) return undefined;
  if (background >= LEAST_BACKGROUND_WORKERS && server.workerProcesses >= LEAST_WORKER_PROCESSES) {
    return undefined;
  }
  return {
    verdict: 'mismatched',
    severity: 'warning',
    expected: `timescaledb.max_background_workers >= ${LEAST_BACKGROUND_WORKERS}, max_worker_processes >= ${LEAST_WORKER_PROCESSES}`,
    actual: `timescaledb.max_background_workers = ${background}, max_worker_processes = ${server.workerProcesses}`,
    remedy:
      'raise them in postgresql.conf (max_worker_processes above the sum of background and parallel workers) and restart',
  };
}
