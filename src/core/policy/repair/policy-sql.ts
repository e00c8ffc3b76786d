import type { PolicyJob } from '../jobs/job.ts';
import { type ColumnstorePlan, type DeclaredPolicy, identityKey } from '../plan.ts';

/**
 * The SQL of remedies: shown to the operator, and run by `policies repair`. Names and intervals come from the program
 * and its configuration, never from a message; they are quoted all the same.
 */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Words that PostgreSQL 15 to 18 do not accept as a name unless quoted. */
const RESERVED = new Set(
  `all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column
concurrently constraint create cross current_catalog current_date current_role current_schema current_time
current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze from
full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime
localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning right
select session_user similar some symmetric system_user table tablesample then to trailing true union unique user using
variadic verbose when where window with`.split(/\s/),
);

/** A name as an SQL identifier; quoted where necessary. */
export function identifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !RESERVED.has(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/**
 * Qualifies one of our relations: an operator's session runs the shown statements, and its search_path may lead to
 * another program's table of that name. A qualified name stays as it is.
 */
export const qualified = (schema: string, relation: string): string =>
  relation.includes('.') ? relation : `${identifier(schema)}.${relation}`;

export function interval(text: string): string {
  return `INTERVAL ${literal(text)}`;
}

/** Creates a policy. The names of the functions and of their parameters hold on TimescaleDB 2.20 to 2.29. */
export function addPolicy(policy: DeclaredPolicy, schema: string): string {
  const name = literal(qualified(schema, policy.relation));
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
 * Makes a job match the declaration. add_*_policy with if_not_exists keeps a differing job as it is, so this is the
 * only repair of drift. `config` replaces the whole configuration: of the old one only the hypertable's number stays.
 * Without a time zone alter_job removes the existing one.
 */
export function alterJob(job: PolicyJob, policy: DeclaredPolicy, scheduled = true): string {
  const key = identityKey(policy.kind);
  const identity = { [key]: job.hypertableId ?? job.config[key] };
  const config = JSON.stringify({ ...identity, ...policy.config });
  return (
    `SELECT alter_job(${job.id}, scheduled => ${scheduled}, schedule_interval => ${interval(policy.every)}, ` +
    `max_runtime => ${interval(policy.maxRuntime)}, retry_period => ${interval(policy.retryPeriod)}, max_retries => -1, fixed_schedule => true, ` +
    `initial_start => ${literal(policy.firstRun)}, config => ${literal(config)}::jsonb, ` +
    `check_config => ${literal(checkOf(policy))}::regproc${scheduled ? startNow(job) : ''})`
  );
}

/** The function with which TimescaleDB checks the configuration of such a policy. */
export const checkOf = ({ proc }: DeclaredPolicy): string => `_timescaledb_functions.${proc}_check`;

/** A job at its limit of failures would be paused again by the next one: hence no limit. */
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
