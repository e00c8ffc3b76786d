import { counted } from '../../counted.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { PARTIAL, afterThaw, frozenChunks, frozenNames } from '../frozen.ts';
import { TARGETS, graceOf, presentPolicies, targetValues } from '../jobs/lag.ts';
import { compressOlder } from '../repair/manual.ts';
import { type DeclaredPolicy, declaredPolicy, policyName } from '../plan.ts';
import { numberOf, optionalText, textOf } from '../row.ts';

const CHECK = 'compression';
/** Late rows make a chunk partial until the next run; from this number on, runs do not keep up with them. */
const MANY_PARTIAL = 10;

// A partial chunk is compressed, plus late rows in row form; is_compressed stays true for it. Chunks past retention
// are excluded: they are about to be dropped. to_regclass gives null for a chunk that was dropped since the view was
// read.
const QUERY = `${TARGETS}
SELECT t.relation, count(*)::int AS due,
  count(*) FILTER (WHERE NOT c.is_compressed)::int AS uncompressed,
  count(*) FILTER (WHERE c.is_compressed AND status & ${PARTIAL} <> 0)::int AS partial,
  ${frozenNames(`(NOT c.is_compressed OR status & ${PARTIAL} <> 0)`)},
  (min(c.range_start) FILTER (WHERE NOT c.is_compressed))::text AS oldest
FROM target t JOIN timescaledb_information.chunks c
  ON c.hypertable_schema = t.sch AND c.hypertable_name = t.tab AND c.range_end <= now() - t.after - t.grace
CROSS JOIN LATERAL _timescaledb_functions.chunk_status(to_regclass(format('%I.%I', c.chunk_schema, c.chunk_name))) status
LEFT JOIN unnest($4::text[], $5::text[]) AS kept(relation, drop_after) ON kept.relation = t.relation
WHERE kept.drop_after IS NULL OR c.range_end > now() - kept.drop_after::interval
GROUP BY t.relation`;

/** V4: older chunks are compressed, late rows included. A run that failed on some chunks may be recorded as a success. */
export const compressionCheck: PolicyCheck = {
  name: CHECK,
  about: 'chunks are compressed when declared, and uncompressed late rows do not pile up',
  queries: (plan, snapshot) => {
    const policies = presentPolicies(plan, snapshot, 'compression');
    const kept = presentPolicies(plan, snapshot, 'retention');
    const values = [
      ...targetValues(policies, 'compress_after'),
      ...targetValues(kept, 'drop_after').slice(0, 2),
    ];
    return policies.length === 0 ? [] : [{ text: QUERY, values }];
  },
  evaluate: (plan, snapshot, [rows = []]) =>
    presentPolicies(plan, snapshot, 'compression').flatMap((policy) => {
      const row = rowOf(policy, rows);
      return row === undefined ? [] : evaluate(policy, row);
    }),
  repair: {
    steps: ({ plan, snapshot, findings, answers }) =>
      presentPolicies(plan, snapshot, 'compression')
        .filter((policy) => findings.some(({ subject }) => subject === policyName(policy)))
        .filter((policy) => !isAllFrozen(rowOf(policy, answers[0])))
        .map((policy) => ({
          ...compressOlder(
            policy.relation,
            policy.config['compress_after'] ?? '',
            declaredPolicy(plan, policy.relation, 'retention')?.config['drop_after'],
          ),
          subject: policyName(policy),
        })),
  },
};

const rowOf = (policy: DeclaredPolicy, rows: readonly CatalogRow[] = []): CatalogRow | undefined =>
  rows.find((candidate) => textOf(candidate, 'relation') === policy.relation);

const isAllFrozen = (row: CatalogRow | undefined): boolean =>
  row !== undefined && frozenChunks(row).length >= numberOf(row, 'uncompressed') + numberOf(row, 'partial');

function evaluate(policy: DeclaredPolicy, row: CatalogRow): readonly Finding[] {
  const [uncompressed, partial] = [numberOf(row, 'uncompressed'), numberOf(row, 'partial')];
  const finding = { check: CHECK, subject: policyName(policy), verdict: 'lagging' } as const;
  const remedy = afterThaw(
    frozenChunks(row),
    `\`fieldwatch policies repair --only ${CHECK}\`, and see why the job does not run: \`fieldwatch policies show\``,
  );
  if (uncompressed > 0) {
    const mixed = partial === 0 ? '' : `, and ${partial} with uncompressed late rows`;
    return [
      {
        ...finding,
        severity: 'warning',
        expected: `chunks older than ${policy.config['compress_after']} (and ${graceOf(policy)} of grace) are compressed`,
        actual: `${counted(uncompressed, 'chunk is', 'chunks are')} not, the oldest from ${optionalText(row, 'oldest') ?? '?'}${mixed}`,
        remedy,
      },
    ];
  }
  if (partial === 0) return [];
  return [
    {
      ...finding,
      severity: partial >= MANY_PARTIAL ? 'warning' : 'info',
      expected: 'compressed chunks without rows in row form',
      actual: `${counted(partial, 'chunk')} with uncompressed late rows`,
      remedy:
        frozenChunks(row).length > 0
          ? remedy
          : `the next run merges them (every ${policy.every}); if they stay, ${remedy}`,
    },
  ];
}
