import type { PolicyCheck, RepairStep } from '../check.ts';
import { dataLossRisks } from '../data-loss-risk.ts';
import { changeSteps } from '../jobs/drift.ts';
import { decodeJob, jobsQuery } from '../jobs/job.ts';
import { declaredPolicies } from '../plan.ts';
import { pauseJob } from '../repair/policy-sql.ts';
import { releaseQueries } from '../jobs/release.ts';

const CHECK = 'data_loss_risk';

/** V8: no existing policy makes another one destroy data. Evaluated before any change, from the existing jobs. */
export const dataLossRiskCheck: PolicyCheck = {
  name: CHECK,
  about: 'no refresh reaches into what retention drops',
  queries: (_plan, { server }) => [jobsQuery(server)],
  evaluate: (plan, _facts, [rows = []]) =>
    dataLossRisks(plan, rows.map(decodeJob)).map(({ subject, expected, actual, refresh, retention }) => ({
      check: CHECK,
      subject,
      verdict: 'unsafe',
      severity: 'critical',
      expected,
      actual,
      remedy: `at once: SELECT alter_job(${refresh.id}, scheduled => false); then set start_offset, or drop_after of job ${retention.id}, as declared: \`fieldwatch policies repair --only policies\``,
    })),
  repair: {
    // The declaration is safe: an unsafe plan is rejected. An undeclared job is paused.
    queries: releaseQueries,
    steps: ({ plan, answers, details }) =>
      dataLossRisks(plan, (answers[0] ?? []).map(decodeJob)).flatMap(({ subject, refresh, retention }) =>
        [refresh, retention].flatMap((job): readonly RepairStep[] => {
          const declared = declaredPolicies(plan).find(
            ({ relation, proc }) => relation === job.relation && proc === job.proc,
          );
          if (declared !== undefined) return changeSteps(CHECK, subject, declared, job, true, details.flat());
          const about = `pause job ${job.id}, ${job.proc} of ${job.relation}`;
          return [{ check: CHECK, subject, effect: 'settings', about, sql: pauseJob(job) }];
        }),
      ),
  },
};
