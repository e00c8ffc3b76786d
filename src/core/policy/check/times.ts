import { counted } from '../../counted.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { literal, qualified } from '../repair/policy-sql.ts';
import { numberOf, textOf } from '../row.ts';
import { existingRelations } from '../snapshot.ts';

const CHECK = 'times';
const AHEAD = '1 year';
/** TimescaleDB cannot compute with times from the year 294247 on, in which the last chunk begins: that of 'infinity'. */
const FAR = `TIMESTAMPTZ '200000-01-01 00:00:00+00'`;

// Old ones are dropped by retention.
const QUERY = `
WITH t AS MATERIALIZED (SELECT w.name, coalesce(a.materialization_hypertable_schema, current_schema()) AS sch, coalesce(a.materialization_hypertable_name, w.name) AS tab
  FROM unnest($1::text[]) AS w(name) LEFT JOIN timescaledb_information.continuous_aggregates a
    ON a.view_schema = current_schema() AND a.view_name = w.name)
SELECT t.name AS relation, count(*)::int AS chunks, least(min(c.range_start), ${FAR})::text AS since, max(c.range_end)::text AS until
FROM t JOIN timescaledb_information.chunks c ON c.hypertable_schema = t.sch AND c.hypertable_name = t.tab
WHERE c.range_start > now() + INTERVAL '${AHEAD}' GROUP BY t.name ORDER BY 1`;

/** No rows lie so far in the future that retention never drops them; this program stores none, another one may ('infinity'). */
export const timesCheck: PolicyCheck = {
  name: CHECK,
  about: `no rows are dated more than ${AHEAD} ahead`,
  queries: (plan, snapshot) => [
    { text: QUERY, values: [existingRelations(plan, snapshot).map(({ relation }) => relation.name)] },
  ],
  evaluate: (_plan, { server: { schema } }, [rows = []]) =>
    rows.map((row): Finding => {
      const [relation, since] = [textOf(row, 'relation'), textOf(row, 'since')];
      const chunks = numberOf(row, 'chunks');
      return {
        ...{ check: CHECK, subject: relation, verdict: 'extra', severity: 'warning' },
        expected: `no rows that are dated more than ${AHEAD} ahead`,
        actual: `${counted(chunks, 'chunk')} from ${since} to ${textOf(row, 'until')}: no retention drops ${chunks === 1 ? 'it' : 'them'}`,
        remedy: `deletes these rows: SELECT drop_chunks(${literal(qualified(schema, relation))}, newer_than => TIMESTAMPTZ ${literal(since)}); -- and have what writes them corrected`,
      };
    }),
};
