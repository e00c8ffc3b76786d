import type { PolicyCheck } from '../check.ts';
import { dangersOf } from '../danger.ts';
import { JOBS_QUERY, JOBS_VALUES, decodeJob } from '../job.ts';

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
};
