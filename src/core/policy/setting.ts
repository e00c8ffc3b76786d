import type { CatalogRow, CheckQuery } from './catalog.ts';

import { identifier, literal } from './repair/policy-sql.ts';
import { optionalText, textOf } from './row.ts';
import type { ServerFacts } from './snapshot.ts';

/** The initial value of a setting in a session of this role in this database, and its origin. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  /** `the role fieldwatch in this database`: for texts. */
  readonly where: string;
  /** Resets the effective value, and names the role that may do so. */
  readonly remedy: (wanted: string) => string;
}

// A value that this program pins in its own sessions is still in reset_val; its origin is not, hence the second
// table. The most specific setting applies: role in the database, role, database, all.
const QUERY = `
SELECT s.name, s.reset_val AS value, s.source, session_user::text AS role, nearest.level
FROM pg_settings s
LEFT JOIN LATERAL (SELECT CASE WHEN d.setrole <> 0 AND d.setdatabase <> 0 THEN 'role in database'
      WHEN d.setrole <> 0 THEN 'role' WHEN d.setdatabase <> 0 THEN 'database' ELSE 'all' END AS level
  FROM pg_db_role_setting d LEFT JOIN pg_database b ON b.oid = d.setdatabase LEFT JOIN pg_roles r ON r.oid = d.setrole
  WHERE (d.setrole = 0 OR r.rolname = session_user) AND (d.setdatabase = 0 OR b.datname = current_database())
    AND EXISTS (SELECT FROM unnest(d.setconfig) AS one WHERE lower(split_part(one, '=', 1)) = lower(s.name))
  ORDER BY d.setrole = 0, d.setdatabase = 0 LIMIT 1) nearest ON true
WHERE s.name = ANY ($1::text[]) ORDER BY s.name`;

/** The settings among `names` that this server knows. */
export const settingsQuery = (names: readonly string[]): CheckQuery => ({ text: QUERY, values: [names] });

export function decodeSetting(row: CatalogRow, { database }: ServerFacts): Setting {
  const [name, role, value] = [textOf(row, 'name'), identifier(textOf(row, 'role')), textOf(row, 'value')];
  const asSuperuser = (statement: string) => (): string => `as superuser: ${unhindered(name, statement)}`;
  const db = identifier(database);
  const levels: Readonly<Record<string, readonly [where: string, alter: string]>> = {
    'role in database': [`the role ${role} in this database`, `ALTER ROLE ${role} IN DATABASE ${db}`],
    role: [`the role ${role}`, `ALTER ROLE ${role}`],
    database: [`the database ${database}`, `ALTER DATABASE ${db}`],
    all: ['all roles', 'ALTER ROLE ALL'],
  };
  const level = levels[optionalText(row, 'level') ?? ''];
  if (level === undefined) return { name, value, ...ofServer(name, textOf(row, 'source')) };
  const [where, alter] = level;
  return { name, value, where, remedy: asSuperuser(`${alter} RESET ${name};`) };
}

function ofServer(name: string, source: string): Pick<Setting, 'where' | 'remedy'> {
  if (source === 'client')
    return { where: 'the connection', remedy: () => `take ${name} out of the options of database.url` };
  if (source === 'command line')
    return {
      where: 'the command line of the server',
      remedy: () => `take ${name} out of the server's command line`,
    };
  return {
    where: 'the server',
    remedy: (wanted) =>
      `as superuser: ${name.endsWith('_timeout') ? `SET ${name} = 0; ` : ''}ALTER SYSTEM SET ${name} = ${literal(wanted)}; SELECT pg_reload_conf();`,
  };
}

/** The superuser's session may start with the same setting: read-only, or with a statement time-out that is too short. */
function unhindered(name: string, statement: string): string {
  if (name === 'default_transaction_read_only') return `BEGIN READ WRITE; ${statement} COMMIT;`;
  return name.endsWith('_timeout') ? `SET ${name} = 0; ${statement}` : statement;
}
