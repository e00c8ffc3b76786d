import type { Db } from './db.ts';

export const text = `
SELECT coalesce((SELECT json_agg(json_build_object('member', m.member, 'shards',
         (SELECT count(*) FROM alert_shards s WHERE s.group_name = $1 AND s.owner = m.member)) ORDER BY m.member)
         FROM share_members m WHERE m.group_name = $1 AND m.leased_until > now()), '[]') AS members,
       (SELECT count(*)::int FROM alert_shards s WHERE s.group_name = $1 AND NOT EXISTS (
         SELECT FROM share_members m WHERE m.group_name = $1 AND m.member = s.owner AND m.leased_until > now())) AS unowned,
       coalesce((SELECT sum(readings) FROM alert_handover WHERE group_name = $1), 0)::float8 AS waiting,
       (SELECT min(created_at) FROM alert_handover WHERE group_name = $1) AS "oldestAt"`;

export interface ShareGroupStatus {
  /** The members that are there, with how many of the 64 shards of the sensors each evaluates. */
  readonly members: readonly { readonly member: string; readonly shards: number }[];
  /** Shards that no member evaluates. */
  readonly unowned: number;
  /** Readings that wait for the owners of their shards. */
  readonly waiting: number;
  readonly oldestAt: Date | null;
}

/** Which daemons of a share group evaluate its alerts, and how much waits for them. */
export async function shareGroup(db: Db, group: string): Promise<ShareGroupStatus> {
  const [row] = (await db.query<ShareGroupStatus>(text, [group])).rows;
  return row ?? { members: [], unowned: 0, waiting: 0, oldestAt: null };
}
