import type { Db } from './db.ts';

export const text = `
SELECT CASE WHEN d.leased_until > now() THEN d.owner END AS holder, d.epoch::float8 AS epoch, d.taken_at AS "takenAt",
       coalesce((SELECT sum(readings) FROM alert_inbox WHERE group_name = $1), 0)::float8 AS waiting,
       (SELECT min(created_at) FROM alert_inbox WHERE group_name = $1) AS "oldestAt"
  FROM (SELECT 1) one LEFT JOIN alert_duty d ON d.group_name = $1`;

export interface AlertDutyStatus {
  /** The daemon of the share group that evaluates alerts; null while none does. */
  readonly holder: string | null;
  readonly epoch: number | null;
  readonly takenAt: Date | null;
  /** Readings that wait for it. */
  readonly waiting: number;
  readonly oldestAt: Date | null;
}

/** Who evaluates the alerts of a share group, and how much waits for it. */
export async function alertDuty(db: Db, group: string): Promise<AlertDutyStatus> {
  const [row] = (await db.query<AlertDutyStatus>(text, [group])).rows;
  return row ?? { holder: null, epoch: null, takenAt: null, waiting: 0, oldestAt: null };
}
