import type { RepairStep } from '../check.ts';
import type { CatalogRow } from '../catalog.ts';
import { type IntervalText, formatInterval, parseInterval, sameInterval } from '../interval.ts';
import { type PolicyJob, isActive } from './job.ts';
import { type DeclaredPolicy, IDENTITY_KEYS, identityKey, policyName } from '../plan.ts';
import { addPolicy, alterJob, checkOf, deleteJob, pauseJob, resumeJob } from '../repair/policy-sql.ts';
import { NO_RELEASE, type Release, dropsTooEarly, releaseOf } from './release.ts';

import type { CatalogSnapshot } from '../snapshot.ts';

/** One setting of a job that is not as declared. */
export interface Drift {
  readonly setting: string;
  readonly expected: string;
  readonly actual: string;
}

export function driftOf(job: PolicyJob, policy: DeclaredPolicy, snapshot: CatalogSnapshot): readonly Drift[] {
  const differences: Drift[] = [];
  const compare = (setting: string, expected: IntervalText, actual: unknown): void => {
    const text = typeof actual === 'string' ? actual : undefined;
    const parsed = text === undefined ? undefined : parseInterval(text);
    if (parsed !== undefined && sameInterval(parsed, expected)) return;
    const shown = parsed === undefined ? (text ?? 'none') : formatInterval(parsed);
    differences.push({ setting, expected, actual: shown });
  };
  for (const [key, expected] of Object.entries(policy.config)) compare(key, expected, job.config[key]);
  differences.push(...otherTarget(job, policy), ...undeclaredKeys(job, policy));
  compare('schedule_interval', policy.every, job.every);
  compare('max_runtime', policy.maxRuntime, job.maxRuntime);
  compare('retry_period', policy.retryPeriod, job.retryPeriod);
  if (job.maxRetries !== -1) {
    differences.push({ setting: 'max_retries', expected: '-1 (no limit)', actual: String(job.maxRetries) });
  }
  if (job.timezone !== undefined) {
    differences.push({ setting: 'timezone', expected: 'not set', actual: job.timezone });
  }
  if (!isCheckOf(policy, job)) {
    differences.push({ setting: 'check_config', expected: checkOf(policy), actual: job.checkedBy });
  }
  if (!job.fixedSchedule) {
    differences.push({ setting: 'fixed_schedule', expected: 'true', actual: 'false' });
  }
  if (job.fixedSchedule && job.firstRunMs !== undefined && job.firstRunMs !== timeMs(policy.firstRun)) {
    const actual = new Date(job.firstRunMs).toISOString();
    differences.push({ setting: 'initial_start', expected: policy.firstRun, actual });
  }
  return [...differences, ...ownerDifference(job, snapshot)];
}

/** Databases upgraded from older versions have it in the former schema. */
const isCheckOf = ({ proc }: DeclaredPolicy, { checkedBy }: PolicyJob): boolean =>
  ['_timescaledb_functions', '_timescaledb_internal'].some(
    (schema) => checkedBy === `${schema}.${proc}_check`,
  );

/** A time as PostgreSQL prints it in UTC. */
const timeMs = (text: string): number => Date.parse(`${text.replace(' ', 'T')}:00`);

/** A policy that works on another table than it was created for, or on none. */
function otherTarget({ config, hypertableId }: PolicyJob, { kind }: DeclaredPolicy): readonly Drift[] {
  const key = identityKey(kind);
  if (hypertableId === undefined || config[key] === hypertableId) return [];
  const actual = config[key] === undefined ? 'none' : JSON.stringify(config[key]);
  return [{ setting: key, expected: String(hypertableId), actual }];
}

/** Each key changes the effect of a job: an undeclared key is drift. */
function undeclaredKeys(job: PolicyJob, policy: DeclaredPolicy): readonly Drift[] {
  return Object.entries(job.config)
    .filter(([key, value]) => value !== null && !(key in policy.config) && !IDENTITY_KEYS.includes(key))
    .map(([key, value]) => ({
      setting: key,
      expected: 'not set',
      actual: typeof value === 'string' ? value : JSON.stringify(value),
    }));
}

function ownerDifference(job: PolicyJob, snapshot: CatalogSnapshot): readonly Drift[] {
  const relation = snapshot.relations.get(job.relation);
  if (relation === undefined) return [];
  if (job.owner !== relation.owner) {
    return [{ setting: 'owner', expected: relation.owner, actual: job.owner }];
  }
  return [];
}

/** The jobs of a policy, the one closest to the declaration first: that is the policy, the others are duplicates. */
export function jobsOf(
  policy: DeclaredPolicy,
  jobs: readonly PolicyJob[],
  snapshot: CatalogSnapshot,
): readonly PolicyJob[] {
  const faults = (job: PolicyJob): number => driftOf(job, policy, snapshot).length + (isActive(job) ? 0 : 1);
  return jobs
    .filter((job) => job.relation === policy.relation && job.proc === policy.proc)
    .sort((a, b) => faults(a) - faults(b) || a.id - b.id);
}

/**
 * The steps that make the jobs of a policy match the declaration: `check` is the name of the check that found the
 * drift, `due` are the rows of `releaseQueries`.
 */
export function policySteps(
  check: string,
  policy: DeclaredPolicy,
  jobs: readonly PolicyJob[],
  snapshot: CatalogSnapshot,
  due: readonly CatalogRow[],
): readonly RepairStep[] {
  const step = stepsFor(check, policyName(policy), policyName(policy));
  const [job, ...others] = jobs;
  const release = releaseOf(policy, job, due);
  if (job === undefined) {
    return policy.paused === undefined
      ? [step('create', addPolicy(policy, snapshot.server.schema), release)]
      : [];
  }
  const steps = others
    .filter(({ manageable }) => manageable)
    .map(({ id }) => step(`remove duplicate job ${id} of`, deleteJob(id)));
  const differences = driftOf(job, policy, snapshot);
  // A role cannot alter a job that another role owns: that is left to a superuser.
  if (!job.manageable) return steps;
  if (differences.some(({ setting }) => setting === 'owner')) {
    // A new job belongs to the relation's owner.
    return [
      ...steps,
      step('remove, for its wrong owner, the job of', deleteJob(job.id), release),
      ...(policy.paused === undefined
        ? [step('create', addPolicy(policy, snapshot.server.schema), release)]
        : []),
    ];
  }
  return [...steps, ...changeSteps(check, policyName(policy), policy, job, differences.length > 0, due)];
}

/**
 * Makes one job match the declaration. One that drops too much is stopped at once; a change that lets it drop more
 * than before is a separate step.
 */
export function changeSteps(
  check: string,
  subject: string,
  policy: DeclaredPolicy,
  job: PolicyJob,
  differs: boolean,
  due: readonly CatalogRow[],
): readonly RepairStep[] {
  const step = stepsFor(check, subject, policyName(policy));
  if (policy.paused !== undefined) return isActive(job) ? [step('pause, as declared,', pauseJob(job))] : [];
  const release = releaseOf(policy, job, due);
  if (!differs) return isActive(job) ? [] : [step('resume', resumeJob(job), release)];
  if (release.effect === 'drop' && dropsTooEarly(policy, job)) {
    return [
      step('configure as declared, paused,', alterJob(job, policy, false)),
      step('resume', resumeJob(job), release),
    ];
  }
  return [step('configure as declared', alterJob(job, policy), release)];
}

const stepsFor =
  (check: string, subject: string, name: string) =>
  (about: string, sql: string, { effect, note }: Release = NO_RELEASE): RepairStep => ({
    check,
    subject,
    effect,
    about: `${about} ${name}${note}`,
    sql,
  });
