import type { Facts } from './facts.ts';
import { formatInterval, parseInterval, sameInterval, type IntervalText } from './interval.ts';
import type { PolicyJob } from './job.ts';
import { policyName, type DeclaredPolicy } from './plan.ts';
import type { RepairStep } from './repair.ts';
import { addPolicy, alterJob, deleteJob, resumeJob } from './statement.ts';

/** One setting of a job that is not as declared. */
export interface Difference {
  readonly setting: string;
  readonly expected: string;
  readonly actual: string;
}

export function differencesOf(job: PolicyJob, policy: DeclaredPolicy, facts: Facts): readonly Difference[] {
  const differences: Difference[] = [];
  const compare = (setting: string, expected: IntervalText, actual: unknown): void => {
    const text = typeof actual === 'string' ? actual : undefined;
    const parsed = text === undefined ? undefined : parseInterval(text);
    if (parsed !== undefined && sameInterval(parsed, expected)) return;
    const shown = parsed === undefined ? (text ?? 'none') : formatInterval(parsed);
    differences.push({ setting, expected, actual: shown });
  };
  for (const [key, expected] of Object.entries(policy.config)) compare(key, expected, job.config[key]);
  compare('schedule_interval', policy.every, job.every);
  compare('max_runtime', policy.maxRuntime, job.maxRuntime);
  if (!job.fixedSchedule) {
    differences.push({ setting: 'fixed_schedule', expected: 'true', actual: 'false' });
  }
  return [...differences, ...ownerDifference(job, facts)];
}

function ownerDifference(job: PolicyJob, facts: Facts): readonly Difference[] {
  const relation = facts.relations.get(job.relation);
  if (relation === undefined) return [];
  if (job.owner !== relation.owner) {
    return [{ setting: 'owner', expected: relation.owner, actual: job.owner }];
  }
  // Background workers act as the owner and need its LOGIN right; without workers nobody does.
  if (facts.server.hasWorkers && !relation.ownerCanLogin) {
    return [{ setting: 'owner', expected: 'a role with LOGIN', actual: `${job.owner}, which has none` }];
  }
  return [];
}

/** The jobs of a policy, the one nearest to what is declared first: that is the policy, the others are duplicates. */
export function jobsOf(
  policy: DeclaredPolicy,
  jobs: readonly PolicyJob[],
  facts: Facts,
): readonly PolicyJob[] {
  const faults = (job: PolicyJob): number =>
    differencesOf(job, policy, facts).length + (job.scheduled ? 0 : 1);
  return jobs
    .filter((job) => job.relation === policy.relation && job.proc === policy.proc)
    .sort((a, b) => faults(a) - faults(b) || a.id - b.id);
}

/** What makes the jobs of a policy what is declared: `check` is who found that they are not. */
export function policySteps(
  check: string,
  policy: DeclaredPolicy,
  jobs: readonly PolicyJob[],
  facts: Facts,
): readonly RepairStep[] {
  const step = (about: string, sql: string): RepairStep => ({
    check,
    subject: policyName(policy),
    effect: 'settings',
    about: `${about} ${policyName(policy)}`,
    sql,
  });
  const [job, ...others] = jobs;
  if (job === undefined) return [step('create', addPolicy(policy))];
  const steps = others.map(({ id }) => step(`remove duplicate job ${id} of`, deleteJob(id)));
  const differences = differencesOf(job, policy, facts);
  if (differences.some(({ setting }) => setting === 'owner')) {
    // A new job belongs to the relation's owner. One that may not log in is for a person to change.
    if (facts.server.hasWorkers && facts.relations.get(policy.relation)?.ownerCanLogin !== true) return steps;
    return [
      ...steps,
      step('remove, for its wrong owner, the job of', deleteJob(job.id)),
      step('create', addPolicy(policy)),
    ];
  }
  if (differences.length > 0) return [...steps, step('configure as declared', alterJob(job, policy))];
  return job.scheduled ? steps : [...steps, step('resume', resumeJob(job))];
}
