import { type Db, type Selection, selected } from './db.ts';
import { sensorsWhere } from './samples.ts';

export const text = `
SELECT s.id, s.key, s.type, s.location, s.tags FROM sensors s WHERE ${sensorsWhere('$1', '$2')} ORDER BY s.id`;

/** A sensor as the rules see it. */
export interface SensorFactsRow {
  readonly id: number;
  readonly key: string;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
}

/** All registered sensors of a selection: few columns, no limit, no look at readings. */
export async function sensorFacts(db: Db, query: Selection): Promise<readonly SensorFactsRow[]> {
  return (await db.query<SensorFactsRow>(text, selected(query))).rows;
}
