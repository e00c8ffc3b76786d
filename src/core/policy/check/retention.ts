import { counted } from '../../counted.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { afterThaw, frozenChunks, frozenNames } from '../frozen.ts';
import { TARGETS, graceOf, presentPolicies, targetValues } from '../jobs/lag.ts';
import { dropOlder } from '../repair/manual.ts';
import { policyName } from '../plan.ts';
import { numberOf, optionalText, textOf } from '../row.ts';

const CHECK = 'retention';

/**
 * The policy drops all due chunks in one transaction, and each takes several locks: some hundreds succeed with the
 * default max_locks_per_transaction of 64, some thousands never do, and then the backlog only grows.
 */
const MOST_CHUNKS_AT_ONCE = 400;

const QUERY = `${TARGETS}
SELECT t.relation, count(*)::int AS chunks, min(c.range_start)::text AS oldest,
  ${frozenNames()}
FROM target t JOIN timescaledb_information.chunks c
  ON c.hypertable_schema = t.sch AND c.hypertable_name = t.tab AND c.range_end <= now() - t.after - t.grace
CROSS JOIN LATERAL _timescaledb_functions.chunk_status(to_regclass(format('%I.%I', c.chunk_schema, c.chunk_name))) status
GROUP BY t.relation`;

/**
 * V3: no chunk is kept longer than declared. Evaluated by the chunks: a job may be recorded as failed although its
 * work is done.
 */
export const retentionCheck: PolicyCheck = {
  name: CHECK,
  follows: ({ subject }, causes) => causes.has('policy_missing', subject),
  about: 'no chunk is older than its retention allows',
  queries: (plan, snapshot) => {
    const policies = presentPolicies(plan, snapshot, 'retention');
    return policies.length === 0 ? [] : [{ text: QUERY, values: targetValues(policies, 'drop_after') }];
  },
  evaluate: (plan, snapshot, [rows = []]) =>
    presentPolicies(plan, snapshot, 'retention').flatMap((policy): readonly Finding[] => {
      const row = rows.find((candidate) => textOf(candidate, 'relation') === policy.relation);
      const chunks = row === undefined ? 0 : numberOf(row, 'chunks');
      if (row === undefined || chunks === 0) return [];
      const stalled = chunks > MOST_CHUNKS_AT_ONCE;
      return [
        {
          check: CHECK,
          subject: policyName(policy),
          verdict: stalled ? 'stalled' : 'lagging',
          severity: stalled ? 'critical' : 'warning',
          expected: `no chunk older than ${policy.config['drop_after']} (and ${graceOf(policy)} of grace)`,
          actual: `${counted(chunks, 'chunk')}, the oldest from ${optionalText(row, 'oldest') ?? '?'}`,
          remedy: stalled
            ? `the policy drops them in one transaction, which needs more locks than max_locks_per_transaction = ${snapshot.server.locksPerTransaction} may give: \`fieldwatch policies repair --only ${CHECK} --yes\` drops them in slices`
            : afterThaw(
                frozenChunks(row),
                `\`fieldwatch policies repair --only ${CHECK} --yes\`, and see why the job does not run: \`fieldwatch policies show\``,
              ),
        },
      ];
    }),
  repair: {
    steps: ({ plan, snapshot, findings, answers: [rows = []] }) =>
      presentPolicies(plan, snapshot, 'retention')
        .filter((policy) => findings.some(({ subject }) => subject === policyName(policy)))
        .filter(({ relation }) =>
          rows.some(
            (row) =>
              textOf(row, 'relation') === relation && frozenChunks(row).length < numberOf(row, 'chunks'),
          ),
        )
        .map((policy) => ({
          ...dropOlder(policy.relation, policy.config['drop_after'] ?? ''),
          subject: policyName(policy),
        })),
  },
};
