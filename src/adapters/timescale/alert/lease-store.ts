import type pg from 'pg';
import { type SectionDigests, type ShardMember, SHARDS } from '../../../core/alert/cluster/shard.ts';
import type { GroupView, OwnedShards } from '../../../core/alert/cluster/shard-lease.ts';
import type { ClaimStore, DaemonSeen, LeaseStore, MemberReport, Remains } from '../../../ports/lease.ts';
import { databaseError } from '../errors.ts';
import { isoMicros, storableText } from '../values.ts';

type Db = Pick<pg.Pool, 'query'>;

/** On which members wait for released shards; the payload is the group. */
export const SHARDS_CHANNEL = 'fieldwatch_shards';

const ROWS_OF_GROUP = `
INSERT INTO alert_shards (group_name, shard) SELECT $1, generate_series(0, ${SHARDS - 1}) ON CONFLICT DO NOTHING`;

/**
 * Renews, and reads members and shards of one snapshot. Based on the database's clock alone: members with wrong clocks
 * have leases as long as others. The time is that of the snapshot: a row may have been waited for since.
 */
const RENEW = `
WITH renewed AS (
  INSERT INTO share_members AS m (group_name, member, leased_until, connects_sensors, received, behind, subscribed, configuration)
  VALUES ($1, $2, clock_timestamp() + $3 * interval '1 ms', $4, $5, $6, $7, $8)
  ON CONFLICT (group_name, member) DO UPDATE
     SET leased_until = excluded.leased_until, connects_sensors = excluded.connects_sensors,
         received = excluded.received, behind = excluded.behind, subscribed = excluded.subscribed,
         configuration = excluded.configuration
  RETURNING member, joined_at, leased_until, connects_sensors, received, behind, configuration),
members AS (
  SELECT * FROM renewed UNION ALL
  SELECT member, joined_at, leased_until, connects_sensors, received, behind, configuration
    FROM share_members WHERE group_name = $1 AND member <> $2)
SELECT (extract(epoch FROM statement_timestamp()) * 1000)::float8 AS "nowMs",
  (SELECT json_agg(json_build_object('id', member, 'joinedAtMs', extract(epoch FROM joined_at) * 1000,
     'leasedUntilMs', extract(epoch FROM leased_until) * 1000, 'connectsSensors', connects_sensors, 'received', received,
     'behind', behind, 'configuration', configuration) ORDER BY member) FROM members) AS members,
  (SELECT array_agg(owner ORDER BY shard) FROM alert_shards WHERE group_name = $1) AS owners,
  (SELECT array_agg(epoch::float8 ORDER BY shard) FROM alert_shards WHERE group_name = $1) AS epochs`;

const WANTED = 'unnest($3::smallint[], $4::bigint[]) AS w (shard, epoch)';

/**
 * A shard of which an owner is just committing something is left for the next round: to wait for its lock would mean to
 * decide by a lease that was read before the wait.
 */
const TAKE = `
WITH free AS (
  SELECT s.shard FROM alert_shards s JOIN ${WANTED} USING (shard, epoch)
   WHERE s.group_name = $1 AND (s.owner IS NULL OR NOT EXISTS (
     SELECT FROM share_members m
      WHERE m.group_name = $1 AND m.member = s.owner AND m.leased_until > clock_timestamp()))
   ORDER BY s.shard FOR UPDATE OF s SKIP LOCKED)
UPDATE alert_shards s SET owner = $2, epoch = s.epoch + 1, taken_at = now()
  FROM free WHERE s.group_name = $1 AND s.shard = free.shard
RETURNING s.shard, s.epoch::float8 AS epoch`;

/** The other members check at once. */
const NOTIFY = `SELECT pg_notify('${SHARDS_CHANNEL}', $1)`;

const RELEASE = `
WITH given AS (UPDATE alert_shards s SET owner = NULL FROM ${WANTED}
 WHERE s.group_name = $1 AND s.owner = $2 AND s.shard = w.shard AND s.epoch = w.epoch) ${NOTIFY}`;

/** All rows are locked: of two members that depart at once, the second one sees that the first one has. */
const DEPART = `
WITH present AS MATERIALIZED (
  SELECT member, subscribed, leased_until FROM share_members WHERE group_name = $1 ORDER BY member FOR UPDATE)
UPDATE share_members m SET subscribed = NULL FROM present self
 WHERE m.group_name = $1 AND m.member = $2 AND self.member = $2 AND EXISTS (
   SELECT FROM present other WHERE other.member <> $2 AND other.subscribed = self.subscribed
      AND other.leased_until > clock_timestamp())
RETURNING 1`;

/** The client id in the name of a member: all processes of one daemon have the same. */
export const clientOf = (member: string): string =>
  `coalesce(substring(${member} FROM '^(.*) on '), ${member})`;

/** Former processes of the daemon have left with it: a row of one that was killed would be waited for. */
const LEAVE = `
WITH gone AS (DELETE FROM share_members m USING share_members self
 WHERE self.group_name = $1 AND self.member = $2 AND m.group_name = $1 AND m.joined_at <= self.joined_at
   AND ${clientOf('m.member')} = ${clientOf('self.member')}),
given AS (UPDATE alert_shards SET owner = NULL WHERE group_name = $1 AND owner = $2) ${NOTIFY}`;

const WITHDRAW = `
WITH gone AS (DELETE FROM share_members WHERE group_name = $1 AND member = $2),
given AS (UPDATE alert_shards SET owner = NULL WHERE group_name = $1 AND owner = $2) ${NOTIFY}`;

/** Its lease is over, and the row stays: something may wait for it at the broker, or in its spool. */
const PAUSE = `
WITH gone AS (UPDATE share_members SET leased_until = least(leased_until, clock_timestamp()), behind = true, subscribed = NULL
               WHERE group_name = $1 AND member = $2),
given AS (UPDATE alert_shards SET owner = NULL WHERE group_name = $1 AND owner = $2) ${NOTIFY}`;

const LEAVING: Readonly<Record<Remains, string>> = { nothing: LEAVE, something: PAUSE, as_before: WITHDRAW };

/**
 * All shards, but those of another daemon that is there. Members that are programs (`behind` is null) lose theirs: their
 * transactions under the former epochs fail. `from_programs` counts the shards that they may have evaluated since.
 */
const CLAIM = `
WITH free AS (
  SELECT s.shard, s.owner IS NOT NULL AND m.behind IS NULL AS from_program
    FROM alert_shards s LEFT JOIN share_members m ON m.group_name = $1 AND m.member = s.owner
   WHERE s.group_name = $1 AND s.owner IS DISTINCT FROM $2 AND (s.owner IS NULL OR m.behind IS NULL
      OR m.leased_until <= clock_timestamp() OR ${clientOf('m.member')} = ${clientOf('$2::text')})
   ORDER BY s.shard FOR UPDATE OF s),
taken AS (
  UPDATE alert_shards s SET owner = $2, epoch = s.epoch + 1, taken_at = now()
    FROM free WHERE s.group_name = $1 AND s.shard = free.shard)
SELECT count(*) FILTER (WHERE from_program)::int AS from_programs FROM free`;

/** Programs report nothing that others should wait for. */
const LATEST_DAEMON = `
SELECT group_name AS "group", member, leased_until > clock_timestamp() AS live FROM share_members
 WHERE behind IS NOT NULL AND leased_until > clock_timestamp() - $1 * interval '1 ms'
 ORDER BY leased_until DESC, member LIMIT 1`;

/** Rows of members that are long gone, with what was handed over in a group without any. */
const PRUNE = `DELETE FROM share_members WHERE leased_until < $1::timestamptz`;

/** `shardOf` in SQL. */
export const shardOfSensor = (id: string): string => `((((${id})::bigint * 2654435769) & 4294967295) >> 26)`;

export class TimescaleLeaseStore implements LeaseStore, ClaimStore {
  readonly #db: Db;
  #reported: boolean | undefined;

  constructor(db: Db) {
    this.#db = db;
  }

  async renew(group: string, member: string, ttlMs: number, report: MemberReport): Promise<GroupView> {
    const {
      connectsSensors,
      received = null,
      behind = null,
      subscribed = null,
      configuration = null,
    } = report;
    const values = [
      ...[group, storableText(member), ttlMs, connectsSensors, received, behind, subscribed],
      configuration,
    ];
    const view = await this.#renew(values);
    if (report.behind !== this.#reported) await this.#query(NOTIFY, [group]);
    this.#reported = report.behind;
    if (view.shards.length === SHARDS) return view;
    await this.#query(ROWS_OF_GROUP, [group]);
    return this.#renew(values);
  }

  async take(group: string, member: string, wanted: OwnedShards): Promise<OwnedShards> {
    const { rows } = await this.#query(TAKE, [group, storableText(member), ...columnsOf(wanted)]);
    return new Map((rows as { shard: number; epoch: number }[]).map(({ shard, epoch }) => [shard, epoch]));
  }

  async release(group: string, member: string, given: OwnedShards): Promise<void> {
    await this.#query(RELEASE, [group, storableText(member), ...columnsOf(given)]);
  }

  async depart(group: string, member: string): Promise<boolean> {
    return (await this.#query(DEPART, [group, storableText(member)])).rows.length > 0;
  }

  async leave(group: string, member: string, remains: Remains): Promise<void> {
    await this.#query(LEAVING[remains], [group, storableText(member)]);
  }

  async claim(group: string, member: string): Promise<number> {
    const { rows } = await this.#query(CLAIM, [group, storableText(member)]);
    return (rows as { from_programs: number }[])[0]?.from_programs ?? 0;
  }

  async latestDaemon(withinMs: number): Promise<DaemonSeen | undefined> {
    const { rows } = await this.#query(LATEST_DAEMON, [withinMs]);
    return (rows as DaemonSeen[])[0];
  }

  async prune(olderThanMs: number): Promise<void> {
    await this.#query(PRUNE, [isoMicros(olderThanMs * 1000)]);
  }

  async #renew(values: unknown[]): Promise<GroupView> {
    const { rows } = await this.#query(RENEW, values);
    const [{ nowMs, members, owners, epochs }] = rows as [
      {
        readonly nowMs: number;
        readonly members: readonly RowOfMember[];
        readonly owners: readonly (string | null)[] | null;
        readonly epochs: readonly number[] | null;
      },
    ];
    return {
      nowMs,
      members: members.map(({ received, behind, configuration, ...member }) => ({
        ...member,
        ...(received === null ? {} : { received }),
        ...(behind === null ? {} : { behind }),
        ...(configuration === null ? {} : { configuration }),
      })),
      shards: (epochs ?? []).map((epoch, shard) => ({ owner: owners?.[shard] ?? undefined, epoch })),
    };
  }

  async #query(text: string, values: unknown[]): Promise<pg.QueryResult> {
    try {
      return await this.#db.query(text, values);
    } catch (error) {
      throw databaseError(error, 'the shards of alerts');
    }
  }
}

type RowOfMember = Omit<ShardMember, 'received' | 'behind' | 'configuration'> & {
  readonly received: readonly number[] | null;
  readonly behind: boolean | null;
  readonly configuration: SectionDigests | null;
};

const columnsOf = (shards: OwnedShards): readonly [number[], number[]] => [
  [...shards.keys()],
  [...shards.values()],
];
