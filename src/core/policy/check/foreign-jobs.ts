import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import { deletesOurs, deletingPatterns } from '../deleting.ts';
import type { Finding } from '../finding.ts';
import { OUR_TABLES } from '../our-tables.ts';
import { flagOf, numberOf, textOf } from '../row.ts';

const CHECK = 'foreign_jobs';

// Of those whose owner may delete from a table of ours; another application's tables may have our names.
const JOBS = `
SELECT j.job_id, p.oid::regprocedure::text AS procedure, j.owner::text AS owner,
  pg_has_role(j.owner::oid, 'USAGE') AS manageable
FROM timescaledb_information.jobs j
JOIN pg_namespace n ON n.nspname = j.proc_schema
JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = j.proc_name
CROSS JOIN LATERAL (SELECT concat_ws(' ', p.prosrc, pg_get_function_sqlbody(p.oid), j.config::text) AS body) said
WHERE j.scheduled AND j.proc_schema NOT IN ('_timescaledb_functions', '_timescaledb_internal')
  AND ${deletesOurs('said.body', '$2', '$3')}
  AND EXISTS (SELECT FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
    WHERE s.nspname = current_schema() AND c.relname = ANY ($1::text[])
      AND (has_table_privilege(j.owner::oid, c.oid, 'delete') OR pg_has_role(j.owner::oid, c.relowner, 'USAGE')))
ORDER BY 1`;

/** No job that was added with add_job() deletes from our tables: it would do so beside what retention declares. */
export const foreignJobsCheck: PolicyCheck = {
  name: CHECK,
  about: 'no job of another program deletes rows or drops chunks of these tables',
  queries: (_plan, { server }) => [{ text: JOBS, values: [OUR_TABLES, ...deletingPatterns(server.schema)] }],
  judge: (_plan, _facts, [jobs = []]) => jobs.map(judgeJob),
};

function judgeJob(row: CatalogRow): Finding {
  const [id, owner] = [numberOf(row, 'job_id'), textOf(row, 'owner')];
  return {
    ...{ check: CHECK, subject: `job ${id}`, verdict: 'danger', severity: 'critical' },
    expected: 'no job but the declared policies deletes from the tables of fieldwatch',
    actual: `job ${id} of ${owner} calls ${textOf(row, 'procedure')}, which deletes rows and names a table of fieldwatch`,
    remedy: `${flagOf(row, 'manageable') ? '' : 'as superuser: '}SELECT alter_job(${id}, scheduled => false); -- then keep rows as long as they are needed by \`policies\` in the configuration`,
  };
}
