import type { PolicyCheck } from '../check.ts';
import { dataLossRisks } from '../data-loss-risk.ts';
import { type Drift, driftOf, jobsOf, policySteps } from '../jobs/drift.ts';
import type { Finding } from '../finding.ts';
import { type PolicyJob, decodeJob, isActive, jobsQuery } from '../jobs/job.ts';
import {
  type DeclaredPolicy,
  POLICY_PROCS,
  type PolicyPlan,
  type RelationPlan,
  declaredPolicies,
  policyName,
} from '../plan.ts';
import { addPolicy, alterJob, deleteJob, pauseJob, resumeJob } from '../repair/policy-sql.ts';
import { type PolicyKind, relationNamed } from '../schema/relations.ts';
import { dropsMore, dropsTooEarly, releaseQueries } from '../jobs/release.ts';
import { type CatalogSnapshot, existingRelations } from '../snapshot.ts';

const CHECK = 'policies';

/** V1: each declared policy exists once, is configured and scheduled as declared, and is not paused. */
export const policiesCheck: PolicyCheck = {
  name: CHECK,
  causes: ({ verdict }) => (verdict === 'missing' ? 'policy_missing' : undefined),
  about: 'each declared policy exists once, as declared, and is not paused',
  queries: (_plan, { server }) => [jobsQuery(server)],
  evaluate: (plan, snapshot, [rows = []]) => {
    const jobs = rows.map(decodeJob);
    // A difference that risks data is reported once, as that.
    const risky = new Set(
      dataLossRisks(plan, jobs).flatMap(({ refresh, retention }) => [refresh.id, retention.id]),
    );
    const context = { snapshot, risky, homes: homesOf(plan, jobs) };
    return [
      ...ownerFindings(foreignersOf(plan, snapshot, jobs), snapshot),
      ...existingRelations(plan, snapshot).flatMap((relation) => checkRelation(relation, jobs, context)),
    ];
  },
  repair: {
    queries: releaseQueries,
    steps: ({ plan, snapshot, answers, details }) => {
      const due = details.flat();
      const jobs = (answers[0] ?? []).map(decodeJob);
      const foreigners = foreignersOf(plan, snapshot, jobs);
      return existingRelations(plan, snapshot).flatMap(({ policies }) =>
        policies.flatMap((policy) => {
          const steps = policySteps(CHECK, policy, jobsOf(policy, jobs, snapshot), snapshot, due);
          const isForeign = foreigners.some((stranger) => stranger.policy === policy);
          return isForeign ? steps.map((step) => ({ ...step, subject: ownersSubject(foreigners) })) : steps;
        }),
      );
    },
  },
};

/** A policy with its job: one owned by another role than its relation, or working on another relation. */
interface ForeignPolicy {
  readonly policy: DeclaredPolicy;
  readonly job: PolicyJob;
}

function foreignersOf(
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  jobs: readonly PolicyJob[],
): readonly ForeignPolicy[] {
  return existingRelations(plan, snapshot).flatMap(({ policies }) =>
    policies.flatMap((policy) => {
      const [job] = jobsOf(policy, jobs, snapshot);
      return job !== undefined && isForeign(job, snapshot) ? [{ policy, job }] : [];
    }),
  );
}

const isForeign = (job: PolicyJob, snapshot: CatalogSnapshot): boolean =>
  job.owner !== (snapshot.relations.get(job.relation)?.owner ?? job.owner);

const ownersSubject = (foreigners: readonly ForeignPolicy[]): string =>
  foreigners[0] !== undefined && foreigners.length === 1 ? policyName(foreigners[0].policy) : 'job owners';

/**
 * One finding, however many: dumps and changes of a role affect all at once. A job's owner cannot be altered: the job
 * is recreated, and then belongs to the owner of its relation.
 */
function ownerFindings(foreigners: readonly ForeignPolicy[], snapshot: CatalogSnapshot): readonly Finding[] {
  if (foreigners.length === 0) return [];
  const show = (side: 'expected' | 'actual') => {
    const groups = new Map<string, number[]>();
    for (const { policy, job } of foreigners) {
      const settings = driftOf(job, policy, snapshot).map((each) => `${each.setting} = ${each[side]}`);
      const text = settings.join(', ');
      groups.set(text, [...(groups.get(text) ?? []), job.id]);
    }
    return [...groups].map(
      ([text, ids]) =>
        text + (side === 'actual' ? ` (${ids.length === 1 ? 'job' : 'jobs'} ${ids.join(', ')})` : ''),
    );
  };
  const anew = foreigners.map(({ policy, job }) =>
    policy.paused === undefined
      ? `${deleteJob(job.id)}; ${addPolicy(policy, snapshot.server.schema)};`
      : `${deleteJob(job.id)};`,
  );
  const drops = foreigners.some(({ policy }) => policy.kind === 'retention') ? ` -- ${DROPS}` : '';
  return [
    {
      ...{ check: CHECK, subject: ownersSubject(foreigners), verdict: 'mismatched' },
      severity: foreigners.some(({ policy, job }) => dropsTooEarly(policy, job)) ? 'critical' : 'warning',
      ...{ expected: show('expected').join('; '), actual: show('actual').join('; ') },
      remedy: `${asWhom(foreigners.map(({ job }) => job))}${anew.join(' ')}${drops}`,
    },
  ];
}

const DROPS = `drops what is due: \`fieldwatch policies plan --only ${CHECK}\` says how much`;

/** A job may be altered and deleted by its owner, by its owner's members, and by a superuser. */
const asWhom = (jobs: readonly PolicyJob[]): string =>
  jobs.every(({ manageable }) => manageable) ? '' : 'as superuser: ';

const deletion = (jobs: readonly PolicyJob[]): string =>
  `${asWhom(jobs)}${jobs.map(({ id }) => `${deleteJob(id)};`).join(' ')}`;

interface Context {
  readonly snapshot: CatalogSnapshot;
  readonly risky: ReadonlySet<number>;
  /** The policies that jobs were created for, by job id. */
  readonly homes: ReadonlyMap<number, ForeignPolicy>;
}

const homesOf = (plan: PolicyPlan, jobs: readonly PolicyJob[]): Context['homes'] =>
  new Map(
    jobs
      .filter(({ madeFor }) => madeFor)
      .flatMap((job) =>
        declaredPolicies(plan)
          .filter(({ relation, proc }) => relation === job.relation && proc === job.proc)
          .map((policy) => [job.id, { job, policy }]),
      ),
  );

function checkRelation(plan: RelationPlan, jobs: readonly PolicyJob[], context: Context): readonly Finding[] {
  const own = jobs.filter((job) => job.relation === plan.relation.name);
  const kinds = Object.keys(POLICY_PROCS) as PolicyKind[];
  return kinds.flatMap((kind) => {
    const declared = plan.policies.find((policy) => policy.kind === kind);
    const found = own.filter((job) => job.proc === POLICY_PROCS[kind]);
    return declared === undefined
      ? extra(plan.relation.name, kind, found)
      : checkPolicy(declared, jobsOf(declared, jobs, context.snapshot), context);
  });
}

function checkPolicy(
  policy: DeclaredPolicy,
  jobs: readonly PolicyJob[],
  { snapshot, risky, homes }: Context,
): readonly Finding[] {
  const [job, ...others] = jobs;
  if (job === undefined) return policy.paused === undefined ? [missing(policy, snapshot.server.schema)] : [];
  const findings: Finding[] = [];
  if (others.length > 0) findings.push(duplicate(policy, job, others, homes));
  if (policy.paused === undefined) {
    if (!isActive(job)) findings.push(paused(policy, job));
  } else if (isActive(job)) findings.push(running(policy, job));
  const differences = driftOf(job, policy, snapshot);
  if (differences.length > 0 && !risky.has(job.id) && !isForeign(job, snapshot))
    findings.push(mismatched(policy, job, differences));
  return findings;
}

function missing(policy: DeclaredPolicy, schema: string): Finding {
  return {
    check: CHECK,
    subject: policyName(policy),
    verdict: 'missing',
    severity: 'critical',
    expected: describe(policy),
    actual: `no ${policy.proc} job`,
    remedy: `${addPolicy(policy, schema)};${policy.kind === 'retention' ? ` -- ${DROPS}` : ''}`,
  };
}

function duplicate(
  policy: DeclaredPolicy,
  job: PolicyJob,
  others: readonly PolicyJob[],
  homes: Context['homes'],
): Finding {
  // A job created for another of our relations is that policy, and is corrected rather than deleted.
  const astray = others.flatMap(({ id, relation }) => {
    const home = homes.get(id);
    return home === undefined || home.policy.relation === relation ? [] : [home];
  });
  const rest = others.filter(({ id }) => !astray.some((home) => home.job.id === id));
  const early = others.filter((other) => isActive(other) && dropsTooEarly(policy, other));
  const configs = early.map(({ id, config }) => ` (job ${id} drops too early: ${JSON.stringify(config)})`);
  return {
    check: CHECK,
    subject: policyName(policy),
    verdict: 'duplicate',
    severity: early.length > 0 ? 'critical' : 'warning',
    expected: `one ${policy.proc} job`,
    actual: `jobs ${[job, ...others].map(({ id }) => id).join(', ')}${configs.join('')}`,
    remedy: [
      ...(rest.length === 0 ? [] : [deletion(rest)]),
      ...astray.map((home) => `${asWhom([home.job])}${alterJob(home.job, home.policy)};`),
    ].join(' '),
  };
}

function paused(policy: DeclaredPolicy, job: PolicyJob): Finding {
  return {
    check: CHECK,
    subject: policyName(policy),
    verdict: 'paused',
    severity: 'critical',
    expected: 'scheduled',
    actual: `job ${job.id} is paused (${job.scheduled ? `next start: ${job.postponedUntil}` : 'scheduled = false'})`,
    remedy:
      policy.kind === 'retention'
        ? `${asWhom([job])}${resumeJob(job)}; -- ${DROPS}. A pause that is meant is declared: ${retentionKey(policy)}.paused: true, with a reason`
        : `${asWhom([job])}${resumeJob(job)};`,
  };
}

const retentionKey = ({ relation }: DeclaredPolicy): string =>
  `policies.${relationNamed(relation)?.kind === 'aggregate' ? 'aggregates' : 'hypertables'}.${relation}.retention`;

function running(policy: DeclaredPolicy, job: PolicyJob): Finding {
  return {
    check: CHECK,
    subject: policyName(policy),
    verdict: 'mismatched',
    severity: 'critical',
    expected: `paused: ${policy.paused}`,
    actual: `job ${job.id} runs`,
    remedy: `${asWhom([job])}${pauseJob(job)};`,
  };
}

function mismatched(policy: DeclaredPolicy, job: PolicyJob, differences: readonly Drift[]): Finding {
  const show = (side: 'expected' | 'actual') =>
    differences.map((difference) => `${difference.setting} = ${difference[side]}`).join(', ');
  return {
    check: CHECK,
    subject: policyName(policy),
    verdict: 'mismatched',
    severity: dropsTooEarly(policy, job) ? 'critical' : 'warning',
    expected: show('expected'),
    actual: `${show('actual')} (job ${job.id})`,
    remedy: `${alterJob(job, policy)};${dropsMore(policy, job) ? ` -- ${DROPS}` : ''}`,
  };
}

/** The configuration has a key for it. */
const canBeDeclared = (relation: string, kind: PolicyKind): boolean =>
  relationNamed(relation)?.firstRun[kind] !== undefined;

function extra(relation: string, kind: PolicyKind, jobs: readonly PolicyJob[]): readonly Finding[] {
  if (jobs.length === 0) return [];
  return [
    {
      check: CHECK,
      subject: policyName({ relation, kind }),
      verdict: 'extra',
      // An undeclared retention policy deletes data that was meant to be kept.
      severity: kind === 'retention' ? 'critical' : 'warning',
      expected: `no ${kind} policy`,
      actual: jobs.map((job) => `job ${job.id} ${JSON.stringify(job.config)}`).join(', '),
      remedy: `${canBeDeclared(relation, kind) ? 'declare it under policies in the configuration, or ' : ''}${deletion(jobs)}`,
    },
  ];
}

export function describe(policy: DeclaredPolicy): string {
  const settings = Object.entries(policy.config).map(([key, value]) => `${key} = ${value}`);
  return [...settings, `every ${policy.every}`].join(', ');
}
