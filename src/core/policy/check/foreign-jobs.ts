import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import { DELETES_SOME, UNDOES, deletesOurs, deletingPatterns, namesOfOurs } from '../repair/deleting.ts';
import type { Finding } from '../finding.ts';
import { OUR_TABLES } from '../schema/our-tables.ts';
import { flagOf, numberOf, textOf } from '../row.ts';

const CHECK = 'foreign_jobs';

// Only jobs whose owner may delete from our tables; another application's tables may have our names. The body is that
// of the procedure and of all functions that it calls, by name. One that processes the hypertables of a schema, or
// has a search_path of its own, is about that schema.
const JOBS = `
WITH RECURSIVE foreign_jobs AS MATERIALIZED (SELECT job_id, proc_schema, proc_name FROM timescaledb_information.jobs
  WHERE scheduled AND proc_schema NOT IN ('_timescaledb_functions', '_timescaledb_internal')),
own AS MATERIALIZED (SELECT p.oid, p.proname::text AS name, p.prosrc || ' ' || coalesce(pg_get_function_sqlbody(p.oid), '') AS body
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE EXISTS (SELECT FROM foreign_jobs) AND n.nspname !~ '^(pg_|_?timescaledb_|information_schema)' AND p.proname ~ '^\\w+$' AND p.prokind IN ('f', 'p')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')),
called AS (SELECT j.job_id, p.oid AS oid
    FROM foreign_jobs j JOIN pg_namespace n ON n.nspname = j.proc_schema
    JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = j.proc_name
  UNION SELECT c.job_id, o.oid FROM called c JOIN own b ON b.oid = c.oid
    JOIN own o ON strpos(lower(b.body), lower(o.name)) > 0 AND b.body ~* ('\\m' || o.name || '\\M\\s*[(]'))
SELECT j.job_id, (SELECT min(p.oid::regprocedure::text) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = j.proc_schema AND p.proname = j.proc_name) AS procedure, j.owner::text AS owner,
  pg_has_role(j.owner::oid, 'USAGE') AS manageable, said.body ~* $2 AS deletes, about.named
FROM timescaledb_information.jobs j
JOIN LATERAL (SELECT string_agg(p.prosrc || ' ' || coalesce(pg_get_function_sqlbody(p.oid), ''), ' ') || ' ' || coalesce(j.config::text, '') AS body,
    coalesce(bool_or(array_to_string(p.proconfig, ' ') ~ 'search_path=' AND strpos(array_to_string(p.proconfig, ' '), current_schema()::text) = 0), false) AS elsewhere
  FROM called c JOIN pg_proc p ON p.oid = c.oid WHERE c.job_id = j.job_id) said ON said.body IS NOT NULL
CROSS JOIN LATERAL (SELECT ${deletesOurs('said.body', '$5', '$3')} AS named, said.body ~* $6 AND said.body !~* '\\mhypertable_name\\s*(=|in\\M|like\\M)'
  AND NOT EXISTS (SELECT FROM jsonb_each_text(CASE jsonb_typeof(j.config) WHEN 'object' THEN j.config END) AS argument JOIN timescaledb_information.hypertables h
    ON argument.value IN (h.hypertable_name, format('%s.%s', h.hypertable_schema, h.hypertable_name))) AS some_table) about
WHERE (about.named OR about.some_table)
  AND (said.body ~* $4 AND NOT said.elsewhere
    OR said.body !~* '\\m(hypertable_schema|schema_name|schemaname|nspname)\\M' AND NOT said.elsewhere
    OR strpos(said.body, quote_literal(current_schema())) > 0 OR strpos(said.body, quote_ident(current_schema()::text) || '.') > 0)
  AND EXISTS (SELECT FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
    WHERE s.nspname = current_schema() AND c.relname = ANY ($1::text[])
      AND (has_table_privilege(j.owner::oid, c.oid, 'delete') OR pg_has_role(j.owner::oid, c.relowner, 'USAGE')))
ORDER BY 1`;

// pg_cron keeps its jobs in one database of the server, and shows each role its own.
const HAS_CRON = `
SELECT coalesce(has_table_privilege(to_regclass('cron.job'), 'SELECT'), false) AND has_schema_privilege('cron', 'USAGE') AS readable
FROM pg_namespace WHERE nspname = 'cron'`;
const CRON = `
SELECT jobid::int AS job_id, username::text AS owner, command ~* $2 AS deletes, about.named FROM cron.job
CROSS JOIN LATERAL (SELECT ${deletesOurs('command', '$3', '$1')} AS named) about
WHERE active AND database = current_database() AND (about.named OR command ~* $4) ORDER BY 1`;

/** No job added with add_job() or pg_cron works against the declared policies: deletes rows, or decompresses chunks. */
export const foreignJobsCheck: PolicyCheck = {
  name: CHECK,
  about: 'no job of another program deletes rows, drops or decompresses chunks of these tables',
  queries: (_plan, { server }) => [
    {
      text: JOBS,
      values: [
        OUR_TABLES,
        ...[...deletingPatterns(server.schema), namesOfOurs(server.schema), UNDOES, DELETES_SOME],
      ],
    },
    { text: HAS_CRON },
  ],
  followUpQueries: (_plan, { server }, [, cron = []]) => {
    const [deletes, ours] = deletingPatterns(server.schema);
    return cron.some((row) => flagOf(row, 'readable'))
      ? [{ text: CRON, values: [ours, deletes, UNDOES, DELETES_SOME] }]
      : [];
  },
  evaluate: (_plan, _facts, [jobs = [], , cron = []]) => [...jobs.map(checkJob), ...cron.map(checkCron)],
};

function checkCron(row: CatalogRow): Finding {
  const [id, owner] = [numberOf(row, 'job_id'), textOf(row, 'owner')];
  return {
    ...{ check: CHECK, subject: `cron job ${id}`, verdict: 'unsafe', severity: severityOf(row) },
    expected: EXPECTED,
    actual: `job ${id} of ${owner} in pg_cron ${effectOf(row)}`,
    remedy: `as ${owner} or superuser: SELECT cron.alter_job(${id}, active => false); -- ${adviceOn(row)}`,
  };
}

const EXPECTED =
  'no job but the declared policies deletes from the tables of fieldwatch, or decompresses their chunks';
const INSTEAD =
  'then keep rows, and leave chunks uncompressed, as long as they are needed by `policies` in the configuration';

const severityOf = (row: CatalogRow): Finding['severity'] =>
  !flagOf(row, 'named') ? 'info' : flagOf(row, 'deletes') ? 'critical' : 'warning';

function effectOf(row: CatalogRow): string {
  if (!flagOf(row, 'named'))
    return 'deletes rows of tables that its text does not name: these may be among them';
  const effect = flagOf(row, 'deletes')
    ? 'deletes rows'
    : 'decompresses chunks, which the policy compresses again';
  return `${effect}, itself or by what it calls, and names a table of fieldwatch or takes all hypertables`;
}

const adviceOn = (row: CatalogRow): string =>
  flagOf(row, 'named') ? INSTEAD : 'where it does reach the tables of fieldwatch';

function checkJob(row: CatalogRow): Finding {
  const [id, owner] = [numberOf(row, 'job_id'), textOf(row, 'owner')];
  return {
    ...{ check: CHECK, subject: `job ${id}`, verdict: 'unsafe', severity: severityOf(row) },
    expected: EXPECTED,
    actual: `job ${id} of ${owner} calls ${textOf(row, 'procedure')}, which ${effectOf(row)}`,
    remedy: `${flagOf(row, 'manageable') ? '' : 'as superuser: '}SELECT alter_job(${id}, scheduled => false); -- ${adviceOn(row)}`,
  };
}
