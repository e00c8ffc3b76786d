import type { ClientBase } from 'pg';
import { FieldwatchError, messageOf } from '../../../core/errors.ts';
import type { Logger } from '../../../ports/metrics.ts';
import { databaseError } from '../errors.ts';

/** The oldest TimescaleDB whose names and policies the migrations use. */
export const OLDEST_TIMESCALE = { major: 2, minor: 20 } as const;

interface ExtensionRow {
  readonly version: string | null;
  readonly available: boolean;
  readonly license: string | null;
}

/** Creates the extension where the role may; refuses a server whose TimescaleDB is absent, too old or Apache-only. */
export async function ensureTimescale(client: ClientBase, log?: Pick<Logger, 'info'>): Promise<void> {
  let found = await readExtension(client);
  if (found.version === null) {
    if (!found.available) throw absent('the server does not offer the extension timescaledb', undefined);
    await create(client);
    log?.info({}, 'extension timescaledb created');
    found = await readExtension(client);
  }
  refuseOld(found.version ?? '');
  if (found.license === 'apache') throw apacheOnly();
}

async function readExtension(client: ClientBase): Promise<ExtensionRow> {
  const text = `SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS version,
            EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') AS available,
            current_setting('timescaledb.license', true) AS license`;
  const result = await client.query<ExtensionRow>(text);
  return result.rows[0] ?? { version: null, available: false, license: null };
}

async function create(client: ClientBase): Promise<void> {
  try {
    await client.query('CREATE EXTENSION IF NOT EXISTS timescaledb');
  } catch (error) {
    // A database that takes no writes, or that goes away meanwhile, may well have TimescaleDB.
    if (databaseError(error, 'creating the extension').kind === 'transient') throw error;
    throw absent(messageOf(error), error);
  }
}

function refuseOld(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const { major: wantMajor, minor: wantMinor } = OLDEST_TIMESCALE;
  if (major > wantMajor || (major === wantMajor && minor >= wantMinor)) return;
  throw new FieldwatchError(`database: TimescaleDB ${version} is older than ${wantMajor}.${wantMinor}`, {
    code: 'TIMESCALE_TOO_OLD',
    kind: 'schema',
    remedy: 'Install a newer TimescaleDB package, then `psql -X -c "ALTER EXTENSION timescaledb UPDATE"`.',
  });
}

function absent(reason: string, cause: unknown): FieldwatchError {
  return new FieldwatchError(`database: no TimescaleDB here: ${reason}`, {
    code: 'TIMESCALE_MISSING',
    kind: 'schema',
    cause,
    remedy:
      "Install TimescaleDB (community edition), set shared_preload_libraries = 'timescaledb', restart the server, and " +
      'let a superuser run CREATE EXTENSION timescaledb in this database.',
  });
}

const apacheOnly = () =>
  new FieldwatchError(
    'database: this TimescaleDB runs under the Apache licence: no policies, no aggregates',
    {
      code: 'TIMESCALE_APACHE_ONLY',
      kind: 'schema',
      remedy:
        "Install the community edition (not the -oss package) and set timescaledb.license = 'timescale'.",
    },
  );
