import { clientOf } from '../adapters/timescale/alert/lease-store.ts';
import type { SectionDigests } from '../core/alert/cluster/shard.ts';
import type { Db } from './db.ts';

export const shareGroupSql = `
SELECT coalesce((SELECT json_agg(json_build_object('member', m.member, 'shards',
         (SELECT count(*) FROM alert_shards s WHERE s.group_name = $1 AND s.owner = m.member),
         'configuration', m.configuration) ORDER BY m.member)
         FROM share_members m WHERE m.group_name = $1 AND m.leased_until > now()), '[]') AS members,
       coalesce((SELECT json_agg(json_build_object('member', n.member, 'seconds',
         extract(epoch FROM now() - n.leased_until)) ORDER BY n.member)
         FROM (SELECT DISTINCT ON (${clientOf('m.member')}) m.member, m.leased_until FROM share_members m
                WHERE m.group_name = $1 ORDER BY ${clientOf('m.member')}, m.joined_at DESC) n
        WHERE n.leased_until <= now()), '[]') AS away,
       (SELECT count(*)::int FROM alert_shards s WHERE s.group_name = $1 AND NOT EXISTS (
         SELECT FROM share_members m WHERE m.group_name = $1 AND m.member = s.owner AND m.leased_until > now())) AS unowned,
       coalesce((SELECT sum(readings) FROM alert_handover WHERE group_name = $1), 0)::float8 AS waiting,
       (SELECT min(created_at) FROM alert_handover WHERE group_name = $1) AS "oldestAt"`;

export interface ShareGroupStatus {
  /**
   * The members that are there, with how many of the 64 shards of the sensors each evaluates, and digests of its
   * configuration; null for a member of an earlier version.
   */
  readonly members: readonly {
    readonly member: string;
    readonly shards: number;
    readonly configuration: SectionDigests | null;
  }[];
  /** Daemons that ended and left something behind, or are cut off, with the seconds since their leases ran out. */
  readonly away: readonly { readonly member: string; readonly seconds: number }[];
  /** Shards that no member evaluates. */
  readonly unowned: number;
  /** Readings that wait for the owners of their shards. */
  readonly waiting: number;
  readonly oldestAt: Date | null;
}

/** Which daemons of a share group evaluate its alerts, and how much waits for them. */
export async function shareGroup(db: Db, group: string): Promise<ShareGroupStatus> {
  const [row] = (await db.query<ShareGroupStatus>(shareGroupSql, [group])).rows;
  return row ?? { members: [], away: [], unowned: 0, waiting: 0, oldestAt: null };
}

export const notifySinksSql = `
SELECT coalesce(s.name, q.sink) AS name, s.kind, coalesce(q.queued, 0)::int AS queued, coalesce(q.held, 0)::int AS held, q.oldest AS "oldestQueuedAt",
       coalesce(s.sent, 0)::float8 AS sent, coalesce(s.refused, 0)::float8 AS refused,
       coalesce(s.dropped, 0)::float8 AS dropped, s.last_sent_at AS "lastSentAt", s.failing_since AS "failingSince",
       s.last_error AS "lastError", s.last_error_at AS "lastErrorAt",
       CASE WHEN s.leased_until > now() THEN s.owner END AS "servedBy"
  FROM notify_sinks s FULL JOIN (
    SELECT sink, count(*) FILTER (WHERE NOT held) AS queued, count(*) FILTER (WHERE held) AS held,
           min(created_at) FILTER (WHERE NOT held) AS oldest FROM alert_deliveries WHERE done_at IS NULL GROUP BY sink) q
    ON q.sink = s.name
 ORDER BY 1`;

export interface SinkStatus {
  readonly name: string;
  readonly kind: string | null;
  readonly queued: number;
  /** Waiting for the end of a mute time, or for an escalation or a reminder. */
  readonly held: number;
  readonly oldestQueuedAt: Date | null;
  readonly sent: number;
  readonly refused: number;
  /** At the bound of the queue, or too old. */
  readonly dropped: number;
  readonly lastSentAt: Date | null;
  /** Null while the sink accepts notifications. */
  readonly failingSince: Date | null;
  readonly lastError: string | null;
  readonly lastErrorAt: Date | null;
  /** The client id of the daemon that serves it now. */
  readonly servedBy: string | null;
}

/** Every sink that was ever served or has waiting notifications. */
export async function notifySinks(db: Db): Promise<readonly SinkStatus[]> {
  return (await db.query<SinkStatus>(notifySinksSql, [])).rows;
}

/** Replication state of the server that answers. */
export interface ReplicationRow {
  readonly standby: boolean;
  /** Whether its commits wait for a standby. */
  readonly synchronous: boolean;
  /** For a standby: seconds since the last commit that it replayed, 0 where it has all that it received; else null. */
  readonly delayS: number | null;
}

const replicationSql = `
SELECT pg_is_in_recovery() AS standby,
  current_setting('synchronous_standby_names') <> '' AS synchronous,
  CASE WHEN NOT pg_is_in_recovery() THEN NULL
       WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
            AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
       ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8 END AS "delayS"`;

/** How the server that answers replicates. */
export async function readReplication(db: Db): Promise<ReplicationRow> {
  const [row] = (await db.query<ReplicationRow>(replicationSql, [])).rows;
  if (row === undefined) throw new Error('the database gave no row for a constant');
  return row;
}

export const serverClockSql = `
SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS "nowMs", version() AS version,
  (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb`;

export interface ServerClockRow {
  /** The server's wall clock, milliseconds since the epoch. */
  readonly nowMs: number;
  readonly version: string;
  readonly timescaledb: string | null;
}

/** The server's clock and versions. */
export async function serverClock(db: Db): Promise<ServerClockRow> {
  const [row] = (await db.query<ServerClockRow>(serverClockSql, [])).rows;
  if (row === undefined) throw new Error('the database gave no row for a constant');
  return row;
}

export const totalsSql = `
SELECT (SELECT count(*) FROM sensors)::int AS sensors, (SELECT count(*) FROM metrics)::int AS metrics`;

/** Rows that senders can add, and that are bounded in all. */
export interface Totals {
  readonly sensors: number;
  readonly metrics: number;
}

export async function totals(db: Db): Promise<Totals> {
  return (await db.query<Totals>(totalsSql, [])).rows[0] ?? { sensors: 0, metrics: 0 };
}
