import type { Catalog, CatalogRow } from './catalog.ts';
import { OUR_TABLES } from './schema/our-tables.ts';
import type { PolicyPlan } from './plan.ts';
import { flagOf, numberOf, optionalNumber, optionalText, textOf } from './row.ts';

/** The facts that every check may rely on: read first, once per verification. */
export interface CatalogSnapshot {
  readonly server: ServerFacts;
  /** All of OUR_TABLES, by name; a missing one is absent. */
  readonly relations: ReadonlyMap<string, RelationFacts>;
}

export interface ServerFacts {
  /** Such as `2.23.0`; undefined when the extension is not installed in this database. */
  readonly extension: string | undefined;
  /** `timescale` (community features) or `apache`. */
  readonly license: string | undefined;
  /**
   * False: this connection works without the extension's library, and its inserts go to the root tables, where no
   * query sees them. The server does not preload it, or `timescaledb.disable_load` is on.
   */
  readonly loaded: boolean;
  readonly loadDisabled: boolean;
  /** `timescaledb.restoring` is on: TimescaleDB is switched off, with the same effect. */
  readonly restoring: boolean;
  /** Such as 150020. */
  readonly serverVersion: number;
  readonly standby: boolean;
  /**
   * False where TimescaleDB's loader is not preloaded (the embedded engine): such a server cannot have background
   * workers at all, and fieldwatch runs the due jobs.
   */
  readonly hasWorkers: boolean;
  readonly workerProcesses: number;
  readonly backgroundWorkers: number | undefined;
  readonly locksPerTransaction: number;
  /** Scheduler processes of this database: 1 on a healthy primary. */
  readonly schedulers: number;
  /** How long ago the server was started. */
  readonly startedSecondsAgo: number;
  /** The schema of the relations: the first of the search_path. */
  readonly schema: string;
  /** The schema with the tables if this role has no USAGE on it; nothing in it is visible then. */
  readonly hiddenSchema: string | undefined;
  /** This role may create temporary tables: needed for a batch that may be partly stored already. */
  readonly temporary: boolean;
  readonly database: string;
  readonly role: string;
  /** The login role of the session: differs if a setting makes it act as `role`. */
  readonly loginRole: string;
  readonly superuser: boolean;
}

export interface RelationFacts {
  readonly name: string;
  readonly kind: 'hypertable' | 'aggregate' | 'other';
  /** A table with its own rows. */
  readonly isTable?: boolean;
  readonly owner: string;
  /** A background worker runs a job as its owner, and rejects one that may not log in. */
  readonly ownerCanLogin: boolean;
  /** This connection's role may alter policies of it. */
  readonly manageable: boolean;
  /** For an aggregate: the view in which TimescaleDB keeps its query over its source. */
  readonly definition?: string | undefined;
  /** Required rights that this role lacks on it. */
  readonly lacks: readonly string[];
}

// Nothing in it calls the extension: that would load a library which is not preloaded.
const SERVER = `
SELECT extension.extversion AS extension, current_setting('server_version_num')::int AS server_version,
  current_setting('timescaledb.license', true) IS NOT NULL AS loaded,
  coalesce(current_setting('timescaledb.disable_load', true), 'off') = 'on' AS load_disabled,
  coalesce(current_setting('timescaledb.restoring', true), 'off') = 'on' AS restoring,
  extract(epoch FROM now() - pg_postmaster_start_time())::float8 AS started_seconds_ago, pg_is_in_recovery() AS standby, current_schema() AS schema, current_database()::text AS database,
  (SELECT min(n.nspname::text) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = 'schema_migrations' AND NOT has_schema_privilege(n.oid, 'USAGE')
      AND quote_ident(n.nspname) = ANY (regexp_split_to_array(current_setting('search_path'), ', *'))
      AND to_regclass('schema_migrations') IS NULL) AS hidden_schema,
  has_database_privilege(current_database(), 'TEMPORARY') AS temporary,
  current_user::text AS role, session_user::text AS login_role,
  coalesce(current_setting('is_superuser', true), 'off') = 'on'
    OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
  current_setting('max_worker_processes')::int AS worker_processes,
  current_setting('max_locks_per_transaction')::int AS locks_per_transaction,
  (SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'TimescaleDB Background Worker Scheduler') AS schedulers
FROM (SELECT 1) one LEFT JOIN pg_extension extension ON extension.extname = 'timescaledb'`;

const SETTINGS = `
SELECT current_setting('timescaledb.license', true) AS license,
  current_setting('timescaledb.max_background_workers', true)::int AS background_workers`;

// Each view once, and not for each relation.
const RELATIONS = `
WITH hypertables AS MATERIALIZED (SELECT hypertable_name FROM timescaledb_information.hypertables
  WHERE hypertable_schema = current_schema()),
aggregates AS MATERIALIZED (SELECT view_name FROM timescaledb_information.continuous_aggregates
  WHERE view_schema = current_schema())
SELECT c.relname::text AS name, pg_get_userbyid(c.relowner)::text AS owner,
  coalesce((SELECT rolcanlogin FROM pg_roles WHERE oid = c.relowner), false) AS owner_can_login,
  pg_has_role(c.relowner, 'MEMBER') AS manageable,
  array_to_string(ARRAY(SELECT needed FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed
    WHERE (c.relkind = 'r' OR needed = 'SELECT') AND NOT has_table_privilege(c.oid, needed)), ', ') AS lacks,
  CASE WHEN h.hypertable_name IS NOT NULL THEN 'hypertable' WHEN a.view_name IS NOT NULL THEN 'aggregate'
    ELSE 'other' END AS kind, c.relkind = 'r' AS is_table,
  (SELECT format('%I.%I', d.direct_view_schema, d.direct_view_name) FROM _timescaledb_catalog.continuous_agg d
    WHERE d.user_view_schema = n.nspname AND d.user_view_name = c.relname) AS definition
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
LEFT JOIN hypertables h ON h.hypertable_name = c.relname
LEFT JOIN aggregates a ON a.view_name = c.relname
WHERE c.relname = ANY ($1::text[]) AND c.relkind IN ('r', 'v', 'm', 'p', 'f')`;

export async function readSnapshot(catalog: Catalog): Promise<CatalogSnapshot> {
  const server = (await catalog.select(SERVER))[0] ?? {};
  const silent = decodeServer(server, {});
  if (silent.extension === undefined || !silent.loaded) return { server: silent, relations: new Map() };
  const settings = (await catalog.select(SETTINGS))[0] ?? {};
  const relations = (await catalog.select(RELATIONS, [OUR_TABLES])).map(decodeRelation);
  return {
    server: decodeServer(server, settings),
    relations: new Map(relations.map((relation) => [relation.name, relation])),
  };
}

function decodeServer(server: CatalogRow, settings: CatalogRow): ServerFacts {
  const backgroundWorkers = optionalNumber(settings, 'background_workers');
  return {
    extension: optionalText(server, 'extension'),
    license: optionalText(settings, 'license'),
    loaded: flagOf(server, 'loaded'),
    loadDisabled: flagOf(server, 'load_disabled'),
    restoring: flagOf(server, 'restoring'),
    serverVersion: numberOf(server, 'server_version'),
    standby: flagOf(server, 'standby'),
    hasWorkers: backgroundWorkers !== undefined,
    workerProcesses: numberOf(server, 'worker_processes'),
    backgroundWorkers,
    locksPerTransaction: numberOf(server, 'locks_per_transaction'),
    schedulers: numberOf(server, 'schedulers'),
    startedSecondsAgo: optionalNumber(server, 'started_seconds_ago') ?? Number.POSITIVE_INFINITY,
    schema: optionalText(server, 'schema') ?? '',
    hiddenSchema: optionalText(server, 'hidden_schema'),
    temporary: flagOf(server, 'temporary'),
    database: textOf(server, 'database'),
    role: textOf(server, 'role'),
    loginRole: textOf(server, 'login_role'),
    superuser: flagOf(server, 'superuser'),
  };
}

function decodeRelation(row: CatalogRow): RelationFacts {
  const kind = textOf(row, 'kind');
  return {
    name: textOf(row, 'name'),
    kind: kind === 'hypertable' || kind === 'aggregate' ? kind : 'other',
    isTable: flagOf(row, 'is_table'),
    owner: textOf(row, 'owner'),
    ownerCanLogin: flagOf(row, 'owner_can_login'),
    manageable: flagOf(row, 'manageable'),
    definition: optionalText(row, 'definition'),
    lacks: textOf(row, 'lacks')
      .split(', ')
      .filter((right) => right !== ''),
  };
}

/**
 * The relations of the plan that exist, have the right kind and are accessible: those whose state can be evaluated.
 * If a right or the owner's login is missing, that is the finding, and not its effects.
 */
export function existingRelations(plan: PolicyPlan, snapshot: CatalogSnapshot): PolicyPlan['relations'] {
  return plan.relations.filter(({ relation }) => {
    const found = snapshot.relations.get(relation.name);
    return found?.kind === relation.kind && isUsable(found, snapshot.server);
  });
}

/** Background workers act as the owner of a job, and need its LOGIN right; without workers it is not needed. */
export const cannotLogIn = ({ ownerCanLogin }: RelationFacts, server: ServerFacts): boolean =>
  server.hasWorkers && !ownerCanLogin;

const isUsable = (relation: RelationFacts, server: ServerFacts): boolean =>
  relation.manageable && !relation.lacks.includes('SELECT') && !cannotLogIn(relation, server);
