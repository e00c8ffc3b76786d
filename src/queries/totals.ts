import type { Db } from './db.ts';

export const text = `
SELECT (SELECT count(*) FROM sensors)::int AS sensors, (SELECT count(*) FROM metrics)::int AS metrics`;

/** What senders can add to: the rows that are bounded in all. */
export interface Totals {
  readonly sensors: number;
  readonly metrics: number;
}

export async function totals(db: Db): Promise<Totals> {
  return (await db.query<Totals>(text, [])).rows[0] ?? { sensors: 0, metrics: 0 };
}
