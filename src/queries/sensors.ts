import { type Db, type Limited, type Selection, selected } from './db.ts';
import { sensorsWhere } from './samples.ts';

export const text = `
SELECT s.id, s.key AS sensor, s.name, s.type, s.location, s.tags, s.declared, s.created_at AS "createdAt",
  r.time AS "lastReading", (SELECT count(*)::int FROM alert_state a WHERE a.sensor_id = s.id
    AND a.state NOT IN ('ok', 'pending')) AS firing
FROM sensors s
LEFT JOIN LATERAL (
  SELECT r.time FROM sensor_readings r WHERE r.sensor_id = s.id AND r.time >= $1::timestamptz ORDER BY r.time DESC LIMIT 1
) r ON true
WHERE ${sensorsWhere('$2', '$3')} AND ($4::text IS NULL OR s.type = $4) AND ($5::text IS NULL OR $5 = ANY(s.tags))
ORDER BY s.key
LIMIT $6`;

export interface SensorRow {
  readonly id: number;
  /** The device's own name. */
  readonly sensor: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
  /** True: from the configuration; false: registered on arrival. */
  readonly declared: boolean;
  readonly createdAt: Date;
  /** Null when it has none since `since`. */
  readonly lastReading: Date | null;
  /** Open alerts. */
  readonly firing: number;
}

export interface SensorsQuery extends Selection, Limited {
  /** How far back the last reading is looked for. */
  readonly since: Date;
  readonly type?: string | undefined;
  readonly tag?: string | undefined;
}

/** Registered sensors by key. */
export async function listSensors(db: Db, query: SensorsQuery): Promise<readonly SensorRow[]> {
  const values = [query.since, ...selected(query), query.type ?? null, query.tag ?? null, query.limit];
  return (await db.query<SensorRow>(text, values)).rows;
}
