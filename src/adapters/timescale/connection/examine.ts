import type pg from 'pg';
import { FieldwatchError } from '../../../core/errors.ts';
import type { DatabaseOptions } from './connection.ts';
import { Connector } from './connector.ts';
import { databaseError } from '../errors.ts';
import { refuseUnsafe } from '../ingest/relied-on.ts';

/** Properties of the connection path, and the encoding of the database. */
export interface ServerReport {
  /** A pooler that keeps one server connection for each of ours; undefined without one. */
  readonly pooler: 'session' | undefined;
  readonly encoding: string;
}

export const ENCODING_WARNING = 'the encoding of the database cannot hold every text';
export const ENCODING_REMEDY =
  'Create the database with ENCODING UTF8: names with other characters are refused, and their messages become dead letters.';

/** Checks once, at a start, what every connection will meet. Rejects where it cannot be relied on. */
export async function examineServer(options: DatabaseOptions): Promise<ServerReport> {
  const connector = new Connector(options);
  return connecting(connector, async (client) => {
    const pooler = await poolerOf(client, connector);
    await refuseUnsafe(client);
    const { rows } = await client.query<{ encoding: string }>(
      `SELECT current_setting('server_encoding') AS encoding`,
    );
    return { pooler, encoding: rows[0]?.encoding ?? '' };
  });
}

/** For a command: rejects behind a pooler whose connections are shared, where its settings would be those of others. */
export async function refuseSharedConnections(options: DatabaseOptions): Promise<void> {
  const connector = new Connector(options);
  await connecting(connector, (client) => poolerOf(client, connector));
}

const connecting = <T>(connector: Connector, use: (client: pg.Client) => Promise<T>): Promise<T> =>
  connector.use(use).catch((error: unknown) => {
    throw databaseError(error, 'connecting');
  });

/** Rejects while the server takes no writes. */
export async function refuseReadOnly(pool: pg.Pool): Promise<void> {
  let readOnly: boolean | undefined;
  try {
    const { rows } = await pool.query<{ readOnly: boolean }>(
      `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS "readOnly"`,
    );
    readOnly = rows[0]?.readOnly;
  } catch (error) {
    throw databaseError(error, 'probing');
  }
  if (readOnly === true)
    throw databaseError(Object.assign(new Error('it takes no writes'), { code: '25006' }), 'probing');
}

const pidOf = async (client: pg.ClientBase): Promise<number> =>
  (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0;

/** Rounds of the check below: another client of the pooler may come between in one of them. */
const ROUNDS = 3;

/**
 * A pooler answers with a process number of its own. One that pools transactions (or statements) takes away what this
 * program needs a session for: the lock of the policy leader, which would stay behind with a connection of others, and
 * the settings of each connection, which would be those of others.
 */
async function poolerOf(client: pg.Client, connector: Connector): Promise<ServerReport['pooler']> {
  const pid = await pidOf(client);
  const said = (client as unknown as { processID: number | null }).processID;
  if (pid === 0 || pid === said) return undefined;
  return connector.use(async (other): Promise<'session'> => {
    for (let round = 0; round < ROUNDS; round++) {
      if (!(await sharesServer(client, other))) continue;
      // The settings of ours must not stay with the connections of others.
      for (const one of [client, other]) await one.query('RESET ALL');
      throw poolsTransactions();
    }
    return 'session';
  });
}

/** While `other` holds a server connection, `idle`, which has none to hold, must still have the one it had. */
async function sharesServer(idle: pg.ClientBase, other: pg.ClientBase): Promise<boolean> {
  const before = await pidOf(idle);
  await other.query('BEGIN');
  const held = await pidOf(other);
  const after = await pidOf(idle);
  await other.query('COMMIT');
  return held === before || after !== before;
}

const poolsTransactions = () =>
  new FieldwatchError('database: a pooler before the server shares connections between transactions', {
    code: 'DB_POOLER_MODE',
    kind: 'schema',
    remedy:
      'Set pool_mode = session for this database in the pooler, or point database.url at the server itself: the lock of ' +
      'the policy leader and the settings of a connection need a session.',
  });
