import { RANK } from '../../core/alert/rules/condition.ts';
import type { Finding as CoreFinding } from '../../core/policy/finding.ts';
import { listPolicies } from '../../queries/policies.ts';
import { type Finding, type Policies, policiesSchema } from '../contract/policies.ts';
import type { PolicyState } from '../daemon.ts';
import type { ApiDeps } from '../deps.ts';
import { resource } from './resource.ts';
import { isoOfMs, isoOrNull } from './values.ts';

const findingItem = ({
  check,
  subject,
  verdict,
  severity,
  expected,
  actual,
  remedy,
}: CoreFinding): Finding => ({
  ...{ check, subject, verdict, severity, expected, actual, remedy },
});

async function policiesOf(state: PolicyState | undefined, { db, daemon }: ApiDeps): Promise<Policies> {
  const plan = daemon.plan();
  const rows = await listPolicies(db, plan);
  return {
    role: state?.role ?? 'off',
    checkedAt: isoOfMs(state?.verifiedAtMs),
    error: state?.error ?? null,
    repair: plan.repair,
    findings: [...(state?.findings ?? [])]
      .sort((a, b) => RANK[b.severity] - RANK[a.severity])
      .map(findingItem),
    policies: rows.map(({ relation, policy, declared, verdict, job, lastRun, lastRunOk, nextRun }) => ({
      ...{ relation, declared, verdict, lastRunOk, jobId: job },
      policy: policy as Policies['policies'][number]['policy'],
      lastRun: isoOrNull(lastRun),
      nextRun: isoOrNull(nextRun),
    })),
  };
}

export const policies = resource({
  id: 'policies',
  method: 'GET',
  path: '/policies',
  tag: 'policies',
  summary: 'Compression, retention and aggregates, as last verified',
  role: 'viewer',
  answer: policiesSchema,
  handle: (_request, deps) => policiesOf(deps.daemon.policies(), deps),
});

export const policyCheck = resource({
  id: 'policyCheck',
  method: 'POST',
  path: '/policies/check',
  tag: 'policies',
  summary: 'Verify the policies now',
  role: 'operator',
  answer: policiesSchema,
  handle: async (_request, deps) => policiesOf(await deps.operations.checkPolicies(), deps),
});
