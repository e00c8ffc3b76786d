import { FieldwatchError, messageOf } from '../../errors.ts';
import type { Catalog, CatalogRow, CheckQuery } from '../catalog.ts';

import { OUR_TABLES } from './our-tables.ts';
import { identifier } from '../repair/policy-sql.ts';
import { listOf, textOf } from '../row.ts';

/**
 * Functions in TimescaleDB's own schema that the SQL of this program, or one of its jobs, calls. A test compares them
 * with it.
 */
export const EXTENSION_FUNCTIONS: readonly string[] =
  `add_columnstore_policy add_continuous_aggregate_policy add_job add_retention_policy alter_job approximate_row_count attach_chunk by_range
chunks_detailed_size compress_chunk convert_to_columnstore convert_to_rowstore create_hypertable decompress_chunk
delete_job drop_chunks first histogram hypertable_approximate_size hypertable_columnstore_stats interpolate last locf
refresh_continuous_aggregate run_job set_chunk_time_interval set_number_partitions show_chunks time_bucket
time_bucket_gapfill`.split(/\s/);

/** Schemas of TimescaleDB that this program reads, or TimescaleDB on its behalf. */
const SCHEMAS = [
  '_timescaledb_functions',
  '_timescaledb_catalog',
  '_timescaledb_config',
  '_timescaledb_internal',
  'timescaledb_information',
];

// Only PostgreSQL's catalogs: any other right may be the missing one. The rights that CREATE EXTENSION granted to
// PUBLIC are in pg_init_privs, unless they are PUBLIC's defaults. For this role, and for the owners that run jobs.
const QUERY = `
WITH extension AS (SELECT oid, extnamespace FROM pg_extension WHERE extname = 'timescaledb'),
member AS MATERIALIZED (SELECT d.classid, d.objid FROM pg_depend d JOIN extension e ON e.oid = d.refobjid
  WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'),
role AS (SELECT r.oid, r.rolname::text AS name FROM pg_roles r WHERE r.rolname = current_user OR r.oid IN (SELECT c.relowner FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() WHERE c.relname = ANY ($1::text[]))),
schema AS (SELECT n.oid, n.nspname FROM pg_namespace n, extension e WHERE n.oid = e.extnamespace
  OR n.nspname = ANY ($2::text[]) AND n.oid IN (SELECT objid FROM member WHERE classid = 'pg_namespace'::regclass)),
lacking AS (
  SELECT role.name AS role, 1 AS rank, 'USAGE ON SCHEMA' AS "right", schema.nspname, quote_ident(schema.nspname) AS object
  FROM role CROSS JOIN schema WHERE NOT has_schema_privilege(role.oid, schema.oid, 'USAGE')
  UNION ALL
  SELECT role.name, 2, 'SELECT ON', schema.nspname, format('%I.%I', schema.nspname, c.relname)
  FROM role CROSS JOIN schema JOIN pg_class c ON c.relnamespace = schema.oid AND c.relkind IN ('r', 'v')
  JOIN member ON member.classid = 'pg_class'::regclass AND member.objid = c.oid
  WHERE EXISTS (SELECT FROM pg_init_privs i CROSS JOIN LATERAL aclexplode(i.initprivs) a
      WHERE i.classoid = 'pg_class'::regclass AND i.objoid = c.oid AND a.grantee = 0 AND a.privilege_type = 'SELECT')
    AND NOT has_table_privilege(role.oid, c.oid, 'SELECT')
  UNION ALL
  SELECT role.name, 3, 'EXECUTE ON ROUTINE', schema.nspname, format('%I.%I(%s)', schema.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
  FROM role CROSS JOIN schema JOIN pg_proc p ON p.pronamespace = schema.oid
  JOIN member ON member.classid = 'pg_proc'::regclass AND member.objid = p.oid
  WHERE (schema.nspname = '_timescaledb_functions' OR p.proname = ANY ($3::text[]))
    AND NOT EXISTS (SELECT FROM pg_init_privs i WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid)
    AND NOT has_function_privilege(role.oid, p.oid, 'EXECUTE'))
SELECT role, "right", nspname::text AS schema, jsonb_agg(object ORDER BY object) AS objects
FROM lacking GROUP BY role, rank, "right", nspname ORDER BY role, rank, nspname`;

export const extensionRightsQuery: CheckQuery = {
  text: QUERY,
  values: [OUR_TABLES, SCHEMAS, EXTENSION_FUNCTIONS],
};

/** At most this many are named individually. */
const MOST_NAMED = 12;

export interface ExtensionRights {
  /** `fieldwatch_owner has no USAGE on …`. */
  readonly text: string;
  readonly grants: string;
}

/** Rights that CREATE EXTENSION granted to PUBLIC and these roles lack; undefined: none. */
export function lackingOf(rows: readonly CatalogRow[]): ExtensionRights | undefined {
  if (rows.length === 0) return undefined;
  const each = rows.map((row) => {
    const objects = listOf<string>(row, 'objects');
    const [right, schema] = [textOf(row, 'right'), identifier(textOf(row, 'schema'))];
    const many = objects.length > MOST_NAMED;
    const what =
      many && right.startsWith('EXECUTE')
        ? `EXECUTE ON ALL ROUTINES IN SCHEMA ${schema}`
        : `${right} ${objects.join(', ')}`;
    const said = many
      ? `${right} ${objects.length} of the schema ${schema}`
      : `${right} ${objects.join(', ')}`;
    return {
      said: `${textOf(row, 'role')} has no ${said}`,
      grant: `GRANT ${what} TO ${identifier(textOf(row, 'role'))};`,
    };
  });
  return { text: each.map(({ said }) => said).join('; '), grants: each.map(({ grant }) => grant).join(' ') };
}

/** If the database rejected a query, a right revoked from PUBLIC may be the cause. */
export async function becauseOfRights(catalog: Catalog, error: unknown): Promise<unknown> {
  if (!(error instanceof FieldwatchError) || error.code !== 'DB_RIGHTS') return error;
  const { text, values } = extensionRightsQuery;
  const lacking = lackingOf(await catalog.select(text, values).catch(() => []));
  return lacking === undefined ? error : withoutRights(error, lacking);
}

export const withoutRights = (error: unknown, { text, grants }: ExtensionRights): FieldwatchError =>
  new FieldwatchError(`${messageOf(error)}; of the extension timescaledb ${text}`, {
    code: 'DB_RIGHTS',
    kind: 'auth',
    remedy: `As superuser: ${grants}`,
    cause: error,
  });
