import { FieldwatchError, messageOf } from '../../errors.ts';
import type { Catalog, CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { textOf } from '../row.ts';

const CHECK = 'overloads';

/** PostgreSQL functions that the SQL of this program calls. A test compares them with it. */
export const BUILT_IN: readonly string[] =
  `abs aclexplode array_agg array_position array_to_string avg bit bool_and bool_or ceil clock_timestamp concat_ws convert_to
corr count current_database current_schema current_schemas current_setting date_trunc encode extract first_value floor
format format_type gen_random_uuid generate_series generate_subscripts has_database_privilege has_function_privilege has_schema_privilege
has_sequence_privilege has_table_privilege hashtext isfinite json_agg json_array_elements json_build_array
json_build_object jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_object
jsonb_each jsonb_each_text jsonb_object_agg jsonb_set jsonb_strip_nulls jsonb_to_recordset jsonb_typeof lag lead left length lower max
md5 min now octet_length percentile_cont percentile_disc pg_advisory_lock pg_advisory_unlock pg_backend_pid
pg_blocking_pids pg_control_system pg_current_wal_lsn pg_database_collation_actual_version pg_database_size pg_get_constraintdef
pg_get_expr pg_get_function_identity_arguments pg_get_function_sqlbody pg_get_indexdef pg_get_serial_sequence pg_get_userbyid pg_get_viewdef pg_has_role pg_is_in_recovery pg_last_wal_receive_lsn
pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_notify
pg_drop_replication_slot pg_postmaster_start_time pg_relation_size pg_reload_conf pg_stat_get_live_tuples pg_stat_get_tuples_deleted pg_stat_get_tuples_inserted pg_terminate_backend pg_wal_lsn_diff
pg_try_advisory_lock pg_walfile_name quote_ident quote_literal rank regexp_replace regexp_split_to_array regr_slope
replace row_number row_security_active set_config setval split_part statement_timestamp stddev_pop stddev_samp string_agg string_to_array strpos substr substring sum
timezone to_char to_jsonb to_regclass to_regnamespace to_regrole unnest version`.split(/\s/);

// Qualified throughout, so that an overload cannot answer the query about overloads. One with the arguments of a
// PostgreSQL function, which is found first, or with types of an extension or user-defined ones intercepts no call.
const isForeign = (catalog: string, oid: string): string => `NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.${catalog}'::pg_catalog.regclass
      AND d.objid OPERATOR(pg_catalog.=) ${oid} AND d.deptype OPERATOR(pg_catalog.=) 'e')`;
const takesOthers = (types: string): string => `NOT EXISTS (SELECT FROM pg_catalog.pg_type t
    WHERE t.oid OPERATOR(pg_catalog.=) ANY (${types})
      AND t.typnamespace OPERATOR(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace)`;
const OURS = 'OPERATOR(pg_catalog.=) ANY (pg_catalog.current_schemas(false))';
const BUILT = `OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace`;

const QUERY = `
SELECT 'ROUTINE' AS kind, pg_catalog.format('%I.%I(%s)', n.nspname, p.proname,
  pg_catalog.pg_get_function_identity_arguments(p.oid)) AS name
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
WHERE n.nspname ${OURS} AND n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog'
  AND p.proname OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.name[])
  AND ${isForeign('pg_proc', 'p.oid')} AND ${takesOthers('p.proargtypes')}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc b WHERE b.pronamespace ${BUILT}
    AND b.proname OPERATOR(pg_catalog.=) p.proname AND b.proargtypes OPERATOR(pg_catalog.=) p.proargtypes)
UNION ALL
SELECT 'OPERATOR', pg_catalog.format('%I.%s(%s, %s)', n.nspname, o.oprname,
  CASE WHEN o.oprleft OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN 'NONE' ELSE pg_catalog.format_type(o.oprleft, NULL) END,
  pg_catalog.format_type(o.oprright, NULL))
FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace
WHERE n.nspname ${OURS} AND n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog'
  AND ${isForeign('pg_operator', 'o.oid')} AND ${takesOthers('ARRAY[o.oprleft, o.oprright]')}
  AND EXISTS (SELECT FROM pg_catalog.pg_operator b WHERE b.oprnamespace ${BUILT}
    AND b.oprname OPERATOR(pg_catalog.=) o.oprname)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_operator b WHERE b.oprnamespace ${BUILT}
    AND b.oprname OPERATOR(pg_catalog.=) o.oprname AND b.oprleft OPERATOR(pg_catalog.=) o.oprleft
    AND b.oprright OPERATOR(pg_catalog.=) o.oprright)
ORDER BY 2`;

/**
 * No function or operator in a searched schema has the name of a PostgreSQL one that this program uses: if its
 * argument types match better it is called instead, although PostgreSQL's own are found first.
 */
export const overloadsCheck: PolicyCheck = {
  name: CHECK,
  about: 'no function or operator in the schema is called in the place of one of PostgreSQL',
  queries: () => [{ text: QUERY, values: [BUILT_IN] }],
  evaluate: (_plan, _facts, [rows = []]) => rows.map(evaluate),
};

function evaluate(row: CatalogRow): Finding {
  const [kind, name] = [textOf(row, 'kind'), textOf(row, 'name')];
  return {
    ...{ check: CHECK, subject: `${kind.toLowerCase()} ${name}`, verdict: 'unsafe', severity: 'warning' },
    expected: 'no overload of what PostgreSQL has, in a schema that is searched',
    actual: `${name} may be called in its place: what is stored, shown and verified may be wrong`,
    remedy: `as its owner: DROP ${kind} ${name}; -- or keep it in another schema: ALTER ${kind} ${name} SET SCHEMA …`,
  };
}

/** If the database could not be queried at all, an overload may be the cause. */
export async function becauseOfOverloads(catalog: Catalog, error: unknown): Promise<unknown> {
  const rows = await catalog.select(QUERY, [BUILT_IN]).catch(() => []);
  if (rows.length === 0) return error;
  const drops = rows.map((row) => `DROP ${textOf(row, 'kind')} ${textOf(row, 'name')};`).join(' ');
  return new FieldwatchError(`${messageOf(error)}; overloads of what PostgreSQL has may be why: ${drops}`, {
    code: 'DB_SCHEMA',
    kind: 'schema',
    remedy: `As their owner: ${drops}`,
    cause: error,
  });
}
