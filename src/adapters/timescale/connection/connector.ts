import pg from 'pg';
import type { DatabaseHost, DatabaseUrl } from '../../../core/database-url.ts';
import { FieldwatchError } from '../../../core/errors.ts';
import type { CatalogRow } from '../../../core/policy/catalog.ts';
import {
  extensionRightsQuery,
  lackingOf,
  withoutRights,
} from '../../../core/policy/schema/extension-rights.ts';
import { DEFAULT_TIMEOUTS, type DatabaseOptions, clientConfig, tlsOf, urlOf } from './connection.ts';
import { codeOf, databaseError, classify } from '../errors.ts';
import { backendStateOf, watchLink } from './link-watch.ts';
import { type Backend, type BackendSettings, pinScript } from './pinned-settings.ts';
import { bounded, cut, endClient } from './query-timeout.ts';
import { readTimeline, refuseFormerPrimary } from './timeline.ts';

/** Former backends that are remembered: enough for all connections of a pool. */
const MAX_FORMER = 64;
/** A statement without a limit of its own: a migration over much data. */
const UNLIMITED_ANSWER_MS = 3_600_000;
/** Past the server's own limit, so that a slow server answers first. */
const GRACE_MS = 5000;

/**
 * The only place that makes connections to the database: to the first host that answers and has the requested role, with
 * the password and certificates of now, with every setting pinned that the code relies on, watched, and with what an
 * earlier connection of the same consumer may have left on the server ended: its locks would be waited for.
 */
export class Connector {
  readonly #options: DatabaseOptions;
  readonly #url: DatabaseUrl;
  readonly #former: Backend[] = [];
  #host = 0;
  #ssl: pg.ClientConfig['ssl'];

  /** Throws where the URL has a fault. */
  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#url = urlOf(options);
  }

  get hosts(): number {
    return this.#url.hosts.length;
  }

  /** For the next connection. */
  config(): pg.ClientConfig {
    return clientConfig(this.#options, this.#url, this.#url.hosts[this.#host] as DatabaseHost, this.#tls());
  }

  /** Files that cannot be read at the moment (half a rotation) leave the former ones. */
  #tls(): pg.ClientConfig['ssl'] {
    try {
      this.#ssl = tlsOf(this.#options, this.#url);
    } catch (error) {
      if (this.#ssl === undefined) throw error;
    }
    return this.#ssl;
  }

  /** Whether another host is worth an attempt after this error; the next `config` is for it then. */
  tryNext(error: unknown): boolean {
    const passes = error instanceof FieldwatchError ? error.kind : classify(error).kind;
    if (passes !== 'transient' || this.hosts === 1) return false;
    this.#host = (this.#host + 1) % this.hosts;
    return true;
  }

  /** A connection that can be used at once. `signal` hangs up. Rejects with a FieldwatchError. */
  async open(signal?: AbortSignal): Promise<pg.Client> {
    for (let left = this.hosts - 1; ; left--) {
      try {
        return await this.#openOne(signal);
      } catch (error) {
        const more = signal?.aborted !== true && this.tryNext(error) && left > 0;
        if (!more) throw databaseError(error, 'connecting');
      }
    }
  }

  /** Lends a connection of its own to `use`, and ends it after. Rejects as `open` and `use` do. */
  async use<T>(use: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const client = await this.open(signal);
    try {
      return await use(client);
    } finally {
      await endClient(client);
    }
  }

  async #openOne(signal: AbortSignal | undefined): Promise<pg.Client> {
    signal?.throwIfAborted();
    const client = new pg.Client(this.config());
    // Also while idle: a server that stops must not end the process. Pending queries of the client reject.
    client.on('error', () => undefined);
    const hangUp = () => cut(client);
    signal?.addEventListener('abort', hangUp);
    try {
      await client.connect();
      await this.pinSettings(client);
      return client;
    } catch (error) {
      cut(client);
      throw error;
    } finally {
      signal?.removeEventListener('abort', hangUp);
    }
  }

  /** Pins the settings of a connection that was just made, and refuses a server that is not the wanted one. */
  async pinSettings(client: pg.Client): Promise<BackendSettings> {
    const limitMs = this.#options.connectTimeoutMs ?? DEFAULT_TIMEOUTS.connectTimeoutMs;
    const explicit = this.#url.options?.includes('search_path') === true;
    const pinSettings = () =>
      bounded(client, limitMs, () => client.query(pinScript(this.#options, explicit))) as Promise<unknown>;
    const answer = await pinSettings().catch(async (error: unknown) => {
      if (codeOf(error) === INSUFFICIENT_PRIVILEGE) throw await this.#withGrants(error, limitMs);
      if (codeOf(error) !== QUERY_CANCELED) throw error;
      await liftTimeLimit(client, limitMs);
      return pinSettings();
    });
    const facts = (answer as pg.QueryResult<BackendSettings>[]).at(-1)?.rows[0] as BackendSettings;
    if (this.#options.schema === undefined && !explicit && facts.elsewhere.length > 1) throw ambiguous(facts);
    if (this.#options.readsOnly !== true && unwanted(facts, this.#url.target)) throw standby();
    await this.#refuseFormerPrimary(client, limitMs);
    if (isOwnBackend(client, facts)) {
      await this.#endFormer(client, limitMs);
      this.#remember(client, facts);
      const { host, port } = client;
      const other = () => new pg.Client({ ...this.config(), host, port });
      watchLink(client, { patienceMs: limitMs, backendState: () => backendStateOf(facts, other, limitMs) });
    } else {
      watchLink(client, {
        patienceMs: this.#silentPatienceMs(),
        backendState: () => Promise.resolve('gone'),
      });
    }
    return facts;
  }

  /**
   * A hardening script may have taken from everyone what CREATE EXTENSION gave: the grants are the remedy. With the
   * extension's library no query is answered without them, hence another connection.
   */
  async #withGrants(refused: unknown, limitMs: number): Promise<unknown> {
    const { text, values } = extensionRightsQuery;
    const other = new pg.Client(this.config());
    other.on('error', () => undefined);
    try {
      await other.connect();
      const rows = await bounded(other, limitMs, async () => {
        await other.query('SET timescaledb.disable_load = on');
        return (await other.query<CatalogRow>(text, [...(values ?? [])])).rows;
      });
      const lacking = lackingOf(rows);
      return lacking === undefined ? refused : withoutRights(databaseError(refused, 'connecting'), lacking);
    } catch {
      return refused;
    } finally {
      cut(other);
    }
  }

  async #refuseFormerPrimary(client: pg.Client, limitMs: number): Promise<void> {
    const timeline = await bounded(client, limitMs, () => readTimeline(client));
    if (timeline !== undefined) refuseFormerPrimary(timeline);
  }

  /** For a server process that cannot be inspected (behind a pooler, or embedded): past any answer it may still give. */
  #silentPatienceMs(): number {
    const limitMs = this.#options.statementTimeoutMs ?? DEFAULT_TIMEOUTS.statementTimeoutMs;
    return limitMs === 0 ? UNLIMITED_ANSWER_MS : limitMs + GRACE_MS;
  }

  /** When the connection ends in whatever way; a backend that ended with it is not found later. */
  #remember(client: pg.Client, { pid, startedAt }: Backend): void {
    client.once('end', () => {
      this.#former.push({ pid, startedAt });
      if (this.#former.length > MAX_FORMER) this.#former.shift();
    });
  }

  async #endFormer(client: pg.Client, limitMs: number): Promise<void> {
    for (let backend = this.#former.shift(); backend !== undefined; backend = this.#former.shift())
      await bounded(client, limitMs, () => client.query(END_BACKEND, [backend.pid, backend.startedAt]));
  }
}

const INSUFFICIENT_PRIVILEGE = '42501';
const QUERY_CANCELED = '57014';
/** A new session has caches to fill first: what is too long for the first attempt is not for the next. */
const LIFTS = 5;

/** A `statement_timeout` of the role or the database can be too short for the statements that replace it. */
async function liftTimeLimit(client: pg.Client, limitMs: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await bounded(client, limitMs, () => client.query('SET statement_timeout = 0'));
      return;
    } catch (error) {
      if (codeOf(error) !== QUERY_CANCELED) throw error;
      if (attempt === LIFTS) throw limitTooShort(error);
    }
  }
}

const limitTooShort = (cause: unknown) =>
  new FieldwatchError(
    'database: connecting: the statement_timeout of this role ends every statement (57014)',
    {
      code: 'DB_TIMEOUT',
      kind: 'transient',
      remedy:
        'As superuser, for the level that sets it: SET statement_timeout = 0; ALTER ROLE … RESET statement_timeout; or the same ' +
        'with ALTER ROLE … IN DATABASE, ALTER DATABASE or ALTER SYSTEM. fieldwatch sets a limit of its own.',
      cause,
    },
  );

/** Only where it is still the same one, and waits until it is gone. A role may always end its own. */
const END_BACKEND = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
 WHERE pid = $1 AND backend_start = $2::timestamptz AND usename = current_user`;

/** False behind a pooler, whose server connections serve others, and in the embedded database, which has one process. */
const isOwnBackend = (client: pg.Client, { pid }: Backend): boolean =>
  pid !== 0 && (client as unknown as { processID: number | null }).processID === pid;

const unwanted = (
  { standby: isStandby, readOnly }: BackendSettings,
  target: DatabaseUrl['target'],
): boolean => (target === 'primary' && isStandby) || (target === 'read-write' && (isStandby || readOnly));

const standby = () =>
  new FieldwatchError(
    'database: this server takes no writes, and target_session_attrs asks for one that does',
    {
      code: 'DB_READ_ONLY',
      kind: 'transient',
      remedy: 'List the primary among the hosts of database.url.',
    },
  );

const ambiguous = ({ elsewhere }: BackendSettings) =>
  new FieldwatchError(`database: several schemas have the tables: ${elsewhere.join(', ')}`, {
    code: 'DB_SCHEMA_AMBIGUOUS',
    kind: 'config',
    remedy: 'Name the one that is meant in database.schema.',
  });
