import type { Db } from './db.ts';

/** Of the server that answers. */
export interface ReplicationRow {
  readonly standby: boolean;
  /** Whether its commits wait for a standby. */
  readonly synchronous: boolean;
  /** Of a standby: seconds since the last commit that it replayed, 0 where it has all that it received; else null. */
  readonly delayS: number | null;
}

const text = `
SELECT pg_is_in_recovery() AS standby,
  current_setting('synchronous_standby_names') <> '' AS synchronous,
  CASE WHEN NOT pg_is_in_recovery() THEN NULL
       WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
            AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
       ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8 END AS "delayS"`;

/** How the server that answers replicates. */
export async function readReplication(db: Db): Promise<ReplicationRow> {
  const [row] = (await db.query<ReplicationRow>(text, [])).rows;
  if (row === undefined) throw new Error('the database gave no row for a constant');
  return row;
}
