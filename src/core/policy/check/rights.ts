import { counted } from '../../counted.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import { extensionRightsQuery, lackingOf } from '../schema/extension-rights.ts';
import type { Finding } from '../finding.ts';
import { OUR_TABLES } from '../schema/our-tables.ts';
import { identifier, qualified } from '../repair/policy-sql.ts';
import { flagOf, optionalText, textOf } from '../row.ts';
import { type CatalogSnapshot, type RelationFacts, type ServerFacts, cannotLogIn } from '../snapshot.ts';
import { isSwitchedOn } from './server.ts';

const CHECK = 'rights';

type Fault = Omit<Finding, 'check' | 'verdict' | 'severity'>;

/**
 * The daemon's role owns the tables (or is a member of their owner), with all of its rights. A missing right makes
 * most other checks fail: they skip such a relation, so that the cause is the finding.
 */
export const rightsCheck: PolicyCheck = {
  name: CHECK,
  withoutExtension: true,
  explains: 'refused',
  about: 'tables belong to the right role, which may log in and has its rights',
  // If the schema is hidden, nothing else is checked.
  queries: (_plan, snapshot) => [
    extensionRightsQuery,
    ...(actsAsAnother(snapshot.server) ? [{ text: ACTING }] : []),
    ...(canQuery(snapshot) ? [{ text: OF_OTHERS, values: [OUR_TABLES, INGESTED] }] : []),
  ],
  evaluate: (_plan, snapshot, [ofExtension = [], ...answers]) => {
    const acting = actsAsAnother(snapshot.server) ? answers[0]?.[0] : undefined;
    const others = answers[actsAsAnother(snapshot.server) ? 1 : 0] ?? [];
    const found = faults(snapshot);
    return [
      // Acting as the owner is common; acting as a role without rights is the cause of all else.
      ...(acting !== undefined && found.length > 0
        ? [actingAs(acting, snapshot.server)]
        : [...found, ...withoutExtension(ofExtension, snapshot)]
      ).map((fault): Finding => ({ check: CHECK, verdict: 'mismatched', severity: 'critical', ...fault })),
      ...others.map((row) => withoutOthers(row, snapshot)),
    ];
  },
};

const actsAsAnother = ({ role, loginRole }: ServerFacts): boolean => role !== loginRole;

const ACTING = `
SELECT d.setrole <> 0 AS by_role, d.setdatabase <> 0 AS by_database
FROM pg_db_role_setting d LEFT JOIN pg_database b ON b.oid = d.setdatabase LEFT JOIN pg_roles r ON r.oid = d.setrole
WHERE (d.setrole = 0 OR r.rolname = session_user) AND (d.setdatabase = 0 OR b.datname = current_database())
  AND EXISTS (SELECT FROM unnest(d.setconfig) AS one WHERE one LIKE 'role=%')
ORDER BY d.setrole = 0, d.setdatabase = 0 LIMIT 1`;

function actingAs(row: CatalogRow, { role, loginRole, database }: ServerFacts): Fault {
  const [byRole, byDatabase] = [flagOf(row, 'by_role'), flagOf(row, 'by_database')];
  const [login, db] = [identifier(loginRole), identifier(database)];
  const alter = byRole
    ? `ALTER ROLE ${login}${byDatabase ? ` IN DATABASE ${db}` : ''}`
    : byDatabase
      ? `ALTER DATABASE ${db}`
      : 'ALTER ROLE ALL';
  return {
    subject: 'role',
    expected: 'sessions act as the owner of the tables, or as a member of it',
    actual: `a setting makes sessions of ${loginRole} act as ${role}, which lacks rights on them`,
    remedy: `as superuser: ${alter} RESET role;`,
  };
}

const canQuery = ({ server, relations }: CatalogSnapshot): boolean =>
  isSwitchedOn(server) && server.hiddenSchema === undefined && relations.size > 0;

/** The tables that sql/roles/roles.sql lets fieldwatch_ingest write. */
const INGESTED = ['sensors', 'metrics', 'sensor_readings', 'sensor_metrics', 'dead_letters'];

// Roles belong to the server. The default privileges of the dashboard show that roles.sql was run in this database.
const OF_OTHERS = `
SELECT r.rolname::text AS role, wanted.needed AS "right", bool_and(has_schema_privilege(r.oid, n.oid, 'USAGE')) AS usage,
  string_agg(c.relname::text, E'\\n' ORDER BY c.relname) FILTER (WHERE NOT has_table_privilege(r.oid, c.oid, wanted.needed)) AS names
FROM pg_namespace n
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = ANY ($1::text[]) AND c.relkind IN ('r', 'v', 'p')
JOIN pg_roles r ON r.rolname IN ('fieldwatch_dashboard', 'fieldwatch_ingest')
JOIN (VALUES ('fieldwatch_dashboard', 'select'), ('fieldwatch_ingest', 'select'), ('fieldwatch_ingest', 'insert'))
  AS wanted (role, needed) ON wanted.role = r.rolname
WHERE n.nspname = current_schema() AND (r.rolname = 'fieldwatch_dashboard' OR c.relname = ANY ($2::text[]))
  AND EXISTS (SELECT FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) a
    WHERE d.defaclnamespace = n.oid AND d.defaclrole = c.relowner AND a.grantee = to_regrole('fieldwatch_dashboard'))
GROUP BY r.rolname, wanted.needed
HAVING NOT bool_and(has_table_privilege(r.oid, c.oid, wanted.needed) AND has_schema_privilege(r.oid, n.oid, 'USAGE'))
ORDER BY 1, 2`;

function withoutOthers(row: CatalogRow, { server: { schema } }: CatalogSnapshot): Finding {
  const [role, right] = [identifier(textOf(row, 'role')), textOf(row, 'right').toUpperCase()];
  const names = (optionalText(row, 'names') ?? '').split('\n').filter((name) => name !== '');
  const usage = flagOf(row, 'usage') ? [] : [`GRANT USAGE ON SCHEMA ${identifier(schema)} TO ${role};`];
  const tables = names.map((name) => qualified(schema, name)).join(', ');
  const grant = names.length === 0 ? [] : [`GRANT ${right} ON ${tables} TO ${role};`];
  const lacks = [
    ...(usage.length === 0 ? [] : [`USAGE on the schema ${schema}`]),
    ...(names.length === 0 ? [] : [`${right} on ${names.join(', ')}`]),
  ];
  return {
    ...{ check: CHECK, subject: `${role} ${right}`, verdict: 'mismatched', severity: 'warning' },
    expected: `${role} has the rights that sql/roles/roles.sql gives it`,
    actual: `no ${lacks.join(', no ')}`,
    remedy: `as superuser: ${[...usage, ...grant].join(' ')}`,
  };
}

function faults(snapshot: CatalogSnapshot): readonly Fault[] {
  if (!isSwitchedOn(snapshot.server)) return [];
  const hidden = withoutUsage(snapshot);
  if (hidden !== undefined) return [hidden];
  const relations = [...snapshot.relations.values()];
  const owner = ownerOf(relations, snapshot);
  const strange = relations.filter((relation) => relation.owner !== owner);
  const own = relations.filter((relation) => relation.owner === owner);
  return [
    ...wrongOwner(strange, owner, relations.length, snapshot.server.schema),
    ...withoutLogin(own, snapshot),
    ...withoutRights(own, snapshot),
    ...withoutTemporary(snapshot),
  ];
}

function withoutUsage({ server: { hiddenSchema, role } }: CatalogSnapshot): Fault | undefined {
  if (hiddenSchema === undefined) return undefined;
  return {
    subject: `schema ${hiddenSchema}`,
    expected: `${role} may use the schema ${hiddenSchema}`,
    actual: `${role} has no USAGE on it, and sees none of its tables`,
    remedy: `as superuser: GRANT USAGE ON SCHEMA ${identifier(hiddenSchema)} TO ${identifier(role)};`,
  };
}

function withoutExtension(rows: readonly CatalogRow[], { server }: CatalogSnapshot): readonly Fault[] {
  const lacking = isSwitchedOn(server) && server.hiddenSchema === undefined ? lackingOf(rows) : undefined;
  if (lacking === undefined) return [];
  return [
    {
      subject: 'timescaledb',
      expected: 'what CREATE EXTENSION lets everyone use of TimescaleDB',
      actual: lacking.text,
      remedy: `as superuser: ${lacking.grants}`,
    },
  ];
}

/** The expected owner: the owner of most tables, unless this role would then have no access. */
function ownerOf(relations: readonly RelationFacts[], { server }: CatalogSnapshot): string {
  const count = (owner: string) => relations.filter((relation) => relation.owner === owner).length;
  const [most] = [...relations].sort((a, b) => count(b.owner) - count(a.owner));
  return most?.manageable === true ? most.owner : server.role;
}

function wrongOwner(
  strange: readonly RelationFacts[],
  owner: string,
  all: number,
  schema: string,
): readonly Fault[] {
  if (strange.length === 0) return [];
  const owners = [...new Set(strange.map((relation) => relation.owner))].join(', ');
  const names = strange.map(({ name }) => name);
  const what =
    names.length === all ? `all ${counted(all, 'table and view', 'tables and views')}` : names.join(', ');
  const alter = strange.map(
    ({ name, kind }) =>
      `ALTER ${kind === 'aggregate' ? 'MATERIALIZED VIEW' : 'TABLE'} ${qualified(schema, name)} OWNER TO ${identifier(owner)};`,
  );
  return [
    {
      subject: 'owner',
      expected: `all belong to ${owner}`,
      actual: `${owners} ${owners.includes(',') ? 'own' : 'owns'} ${what}`,
      remedy: `as superuser: ${alter.join(' ')}`,
    },
  ];
}

function withoutLogin(own: readonly RelationFacts[], { server }: CatalogSnapshot): readonly Fault[] {
  const relation = own.find((each) => cannotLogIn(each, server));
  if (relation === undefined) return [];
  return [
    {
      subject: `role ${relation.owner}`,
      expected: 'the owner of the tables may log in: background workers run its jobs in its name',
      actual: `${relation.owner} has NOLOGIN: no policy runs`,
      remedy: `as superuser: ALTER ROLE ${identifier(relation.owner)} LOGIN;`,
    },
  ];
}

function withoutRights(
  own: readonly RelationFacts[],
  { server: { role, schema } }: CatalogSnapshot,
): readonly Fault[] {
  const lacking = own.filter(({ lacks }) => lacks.length > 0);
  if (lacking.length === 0) return [];
  const groups = new Map<string, string[]>();
  for (const { name, lacks } of lacking) {
    const rights = lacks.join(', ');
    groups.set(rights, [...(groups.get(rights) ?? []), name]);
  }
  const list = [...groups].map(([rights, names]) => `${rights} on ${names.join(', ')}`);
  const grants = [...groups].map(
    ([rights, names]) =>
      `GRANT ${rights} ON ${names.map((name) => qualified(schema, name)).join(', ')} TO ${identifier(role)};`,
  );
  return [
    {
      subject: 'rights',
      expected: `${role} may read and write its tables`,
      actual: `${role} has no ${list.join('; no ')}`,
      remedy: `as their owner: ${grants.join(' ')}`,
    },
  ];
}

function withoutTemporary({ server: { temporary, database, role } }: CatalogSnapshot): readonly Fault[] {
  if (temporary) return [];
  return [
    {
      subject: `database ${database}`,
      expected: `${role} may make temporary tables: batches that may be stored already go through them`,
      actual: `${role} has no TEMPORARY on the database`,
      remedy: `as superuser: GRANT TEMPORARY ON DATABASE ${identifier(database)} TO ${identifier(role)};`,
    },
  ];
}
