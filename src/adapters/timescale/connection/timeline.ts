import { FieldwatchError } from '../../../core/errors.ts';
import { codeOf } from '../errors.ts';

/** One history of a cluster. PostgreSQL starts a new one, with the next number, whenever a standby is promoted. */
export interface Timeline {
  /** The system identifier, which a primary and its standbys share. */
  readonly cluster: string;
  readonly id: number;
}

/** A connection, or work on one. */
export interface QueryClient {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/** Without rights to these functions (some hosted servers), or where they do not exist. */
const NOT_SHOWN = ['42501', '42883', '0A000'];

const TIMELINE = `
SELECT system_identifier::text AS cluster,
  CASE WHEN NOT pg_is_in_recovery() THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS id
  FROM pg_control_system()`;

/** Undefined on a standby, and where the server does not show it. */
export async function readTimeline(client: QueryClient): Promise<Timeline | undefined> {
  try {
    const [{ cluster, id }] = (await client.query(TIMELINE)).rows as [{ cluster: string; id: number | null }];
    return id === null ? undefined : { cluster, id };
  } catch (error) {
    if (NOT_SHOWN.includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** The newest timeline of each cluster that this process has seen. */
const newest = new Map<string, number>();

/**
 * A former primary that comes back as it was takes writes which no other server of the cluster ever gets. Once its
 * successor has been seen it is refused, so that the next host is tried.
 */
export function refuseFormerPrimary({ cluster, id }: Timeline): void {
  const known = newest.get(cluster) ?? id;
  newest.set(cluster, Math.max(known, id));
  if (id >= known) return;
  throw new FieldwatchError(
    `database: this server is a former primary: it is on timeline ${id}, and the cluster went on with ${known}`,
    {
      code: 'DB_FORMER_PRIMARY',
      kind: 'transient',
      remedy:
        'Stop it, or make it a standby of the new primary (pg_rewind). If a copy of its files was restored on purpose, restart fieldwatch.',
    },
  );
}
