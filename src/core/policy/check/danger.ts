import type { PolicyCheck } from '../check.ts';
import { dangersOf } from '../danger.ts';
import { JOBS_QUERY, JOBS_VALUES, decodeJob } from '../job.ts';
import { declaredPolicies } from '../plan.ts';
import type { RepairStep } from '../repair.ts';
import { alterJob, pauseJob } from '../statement.ts';

const CHECK = 'danger';

/** V8: no policy that exists makes another one destroy data. Judged before any change, and by what is there. */
export const dangerCheck: PolicyCheck = {
  name: CHECK,
  about: 'no refresh reaches into what retention drops',
  queries: () => [{ text: JOBS_QUERY, values: JOBS_VALUES }],
  judge: (plan, _facts, [rows = []]) =>
    dangersOf(plan, rows.map(decodeJob)).map(({ subject, expected, actual, refresh, retention }) => ({
      check: CHECK,
      subject,
      verdict: 'danger',
      severity: 'critical',
      expected,
      actual,
      remedy: `at once: SELECT alter_job(${refresh.id}, scheduled => false); then set start_offset, or drop_after of job ${retention.id}, as declared: \`fieldwatch policies repair --only policies\``,
    })),
  repair: {
    // What is declared is no danger: a plan that would be one is refused. A job that nobody declared is paused.
    steps: ({ plan, answers }) =>
      dangersOf(plan, (answers[0] ?? []).map(decodeJob)).flatMap(({ subject, refresh, retention }) =>
        [refresh, retention].map((job): RepairStep => {
          const declared = declaredPolicies(plan).find(
            ({ relation, proc }) => relation === job.relation && proc === job.proc,
          );
          return {
            check: CHECK,
            subject,
            effect: 'settings',
            about: `${declared === undefined ? 'pause' : 'configure as declared'} job ${job.id}, ${job.proc} of ${job.relation}`,
            sql: declared === undefined ? pauseJob(job) : alterJob(job, declared),
          };
        }),
      ),
  },
};
