import type { PolicyJob } from './job.ts';
import { IDENTITY_KEYS, type ColumnstorePlan, type DeclaredPolicy } from './plan.ts';

/**
 * The SQL of remedies: shown to people, and run by `policies repair`. Names and intervals come from the program and
 * its configuration, never from a message; they are quoted all the same.
 */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A name as PostgreSQL reads it; quoted where it would read another. */
export function identifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

export function interval(text: string): string {
  return `INTERVAL ${literal(text)}`;
}

/** Creates a policy. The names of the functions and of their parameters hold on TimescaleDB 2.20 to 2.29. */
export function addPolicy(policy: DeclaredPolicy): string {
  const name = literal(policy.relation);
  const schedule = `schedule_interval => ${interval(policy.every)}, initial_start => ${literal(policy.firstRun)}`;
  const { config } = policy;
  switch (policy.kind) {
    case 'compression':
      return `CALL add_columnstore_policy(${name}, after => ${interval(config['compress_after'] ?? '')}, ${schedule})`;
    case 'retention':
      return `SELECT add_retention_policy(${name}, drop_after => ${interval(config['drop_after'] ?? '')}, ${schedule})`;
    case 'refresh':
      return (
        `SELECT add_continuous_aggregate_policy(${name}, start_offset => ${interval(config['start_offset'] ?? '')}, ` +
        `end_offset => ${interval(config['end_offset'] ?? '')}, ${schedule})`
      );
  }
}

/**
 * Makes a job what is declared. add_*_policy with if_not_exists keeps a differing job as it is, so this is the only
 * repair of drift. `config` replaces the whole configuration: of the old one only the hypertable's number stays. Without
 * a time zone alter_job takes away the one that is there.
 */
export function alterJob(job: PolicyJob, policy: DeclaredPolicy, scheduled = true): string {
  const identity = Object.fromEntries(IDENTITY_KEYS.map((key) => [key, job.config[key]]));
  const config = JSON.stringify({ ...identity, ...policy.config });
  return (
    `SELECT alter_job(${job.id}, scheduled => ${scheduled}, schedule_interval => ${interval(policy.every)}, ` +
    `max_runtime => ${interval(policy.maxRuntime)}, retry_period => ${interval(policy.retryPeriod)}, max_retries => -1, fixed_schedule => true, ` +
    `initial_start => ${literal(policy.firstRun)}, config => ${literal(config)}::jsonb, ` +
    `check_config => ${literal(checkOf(policy))}::regproc${scheduled ? startNow(job) : ''})`
  );
}

/** What TimescaleDB checks a configuration of such a policy with. */
export const checkOf = ({ proc }: DeclaredPolicy): string => `_timescaledb_functions.${proc}_check`;

/** A job that reached its limit of failures would be paused again by the next one: hence no limit. */
export function resumeJob(job: PolicyJob): string {
  const limit = job.maxRetries === -1 ? '' : ', max_retries => -1';
  return `SELECT alter_job(${job.id}, scheduled => true${limit}${startNow(job)})`;
}

const startNow = ({ postponedUntil }: PolicyJob): string =>
  postponedUntil === undefined ? '' : ', next_start => now()';

export function pauseJob(job: PolicyJob): string {
  return `SELECT alter_job(${job.id}, scheduled => false)`;
}

export function deleteJob(id: number): string {
  return `SELECT delete_job(${id})`;
}

export function columnstoreSettings(relation: string, { segmentBy, orderBy }: ColumnstorePlan): string {
  return (
    `ALTER TABLE ${relation} SET (timescaledb.enable_columnstore, ` +
    `timescaledb.segmentby = ${literal(segmentBy.join(', '))}, timescaledb.orderby = ${literal(orderBy)})`
  );
}
