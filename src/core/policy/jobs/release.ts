import type { RepairEffect } from '../check.ts';
import { counted } from '../../counted.ts';
import type { CatalogRow, CheckQuery } from '../catalog.ts';

import { intervalMs, parseInterval } from '../interval.ts';
import { type PolicyJob, isActive } from './job.ts';
import { presentPolicies } from './lag.ts';
import type { DeclaredPolicy, PolicyPlan } from '../plan.ts';
import { interval, literal } from '../repair/policy-sql.ts';
import { relationNamed } from '../schema/relations.ts';

import { numberOf } from '../row.ts';
import type { CatalogSnapshot } from '../snapshot.ts';

/**
 * A change that lets a retention job drop more than before deletes as surely as a DROP does, only later: a job that
 * is resumed with a due start drops within seconds. Counts what becomes due within a day.
 */
const SOON = '1 day';

const isRetention = ({ kind }: DeclaredPolicy): boolean => kind === 'retention';

/** Chunks that each declared retention would drop within a day, one query per policy. `releaseOf` reads the answers. */
export function releaseQueries(plan: PolicyPlan, snapshot: CatalogSnapshot): readonly CheckQuery[] {
  return presentPolicies(plan, snapshot, 'retention').map((policy) => ({ text: query(policy) }));
}

// The bound on time appears twice: to exclude younger chunks from the plan, and by whole chunks, as they are dropped.
function query({ relation, config }: DeclaredPolicy): string {
  const edge = `now() - ${interval(config['drop_after'] ?? '')} + ${interval(SOON)}`;
  const time = `x.${relationNamed(relation)?.timeColumn ?? 'time'}`;
  return `WITH due AS MATERIALIZED (SELECT count(*)::int AS chunks, max(c.range_end) AS until
  FROM timescaledb_information.chunks c
  LEFT JOIN timescaledb_information.continuous_aggregates a ON a.materialization_hypertable_schema = c.hypertable_schema
    AND a.materialization_hypertable_name = c.hypertable_name
  WHERE coalesce(a.view_schema, c.hypertable_schema) = current_schema()
    AND coalesce(a.view_name, c.hypertable_name) = ${literal(relation)} AND c.range_end <= ${edge})
SELECT ${literal(relation)}::text AS relation, due.chunks, (SELECT count(*) FROM ${relation} x
  WHERE ${time} < ${edge} AND ${time} < due.until)::float8 AS rows FROM due`;
}

/** Data that a step that changes a policy may release for deletion. */
export interface Release {
  readonly effect: RepairEffect;
  /** Follows the step's description. */
  readonly note: string;
}

export const NO_RELEASE: Release = { effect: 'settings', note: '' };

/**
 * The effect of making `job` match `policy`. Without rows of `releaseQueries` it is unknown what is due, and the
 * result is the cautious one.
 */
export function releaseOf(
  policy: DeclaredPolicy,
  job: PolicyJob | undefined,
  rows: readonly CatalogRow[],
): Release {
  if (!isRetention(policy) || (job !== undefined && dropsAsMuch(job, policy))) return NO_RELEASE;
  const row = rows.find(({ relation }) => relation === policy.relation);
  if (row === undefined) return { effect: 'drop', note: '; what it drops could not be counted' };
  const chunks = numberOf(row, 'chunks');
  if (chunks === 0) return NO_RELEASE;
  const what = `${counted(chunks, 'chunk')} with ${counted(numberOf(row, 'rows'), 'row')}`;
  return { effect: 'drop', note: `; ${what} ${chunks === 1 ? 'is' : 'are'} then dropped within ${SOON}` };
}

/** Once it matches `policy`, it drops more than it does now. */
export const dropsMore = (policy: DeclaredPolicy, job: PolicyJob): boolean =>
  isRetention(policy) && !dropsAsMuch(job, policy);

/** The job already drops what it would drop as declared. */
function dropsAsMuch(job: PolicyJob, policy: DeclaredPolicy): boolean {
  const parsed = parseInterval(textIn(job, 'drop_after'));
  const declared = policy.config['drop_after'] ?? '';
  const byTime = typeof job.config['drop_created_before'] !== 'string' && parsed !== undefined;
  return isActive(job) && byTime && intervalMs(parsed) <= intervalMs(declared);
}

/** Data declared to be kept is being dropped, or would be once the job runs: more than drift. */
export function dropsTooEarly(policy: DeclaredPolicy, job: PolicyJob): boolean {
  if (!isRetention(policy)) return false;
  // TimescaleDB prefers it to `drop_after`, and it ignores the age of the rows.
  if (job.config['drop_created_before'] !== undefined) return true;
  const parsed = parseInterval(textIn(job, 'drop_after'));
  return parsed === undefined || intervalMs(parsed) < intervalMs(policy.config['drop_after'] ?? '');
}

const textIn = (job: PolicyJob, key: string): string => {
  const value = job.config[key];
  return typeof value === 'string' ? value : '';
};
