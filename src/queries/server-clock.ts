import type { Db } from './db.ts';

export const text = `
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
  const [row] = (await db.query<ServerClockRow>(text, [])).rows;
  if (row === undefined) throw new Error('the database gave no row for a constant');
  return row;
}
