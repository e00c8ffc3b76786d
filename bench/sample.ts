import type pg from 'pg';

const SENSORS = 500;
const DAY_MS = 86_400_000;

/** Readings of 500 sensors with five metrics, one every five seconds, over the last days; in place of what was stored. */
export async function storeSample(db: pg.Client, rows: number): Promise<void> {
  await db.query('TRUNCATE sensor_readings, sensors CASCADE');
  await db.query(
    `INSERT INTO sensors (id, key, location) SELECT i, 'sensor-' || i, 'hall-' || i % 20 FROM generate_series(1, ${SENSORS}) i`,
  );
  const startMs = Math.floor(Date.now() / DAY_MS) * DAY_MS - 6 * DAY_MS;
  await db.query(insert(rows, startMs));
}

const insert = (rows: number, startMs: number): string => `
INSERT INTO sensor_readings SELECT to_timestamp(${startMs / 1000} + 5 * (n / ${SENSORS})), 1 + n % ${SENSORS},
  round((20 + 5 * sin(n / 100000.0) + random() * 0.3)::numeric, 2)::float8, round((40 + random() * 10)::numeric, 2)::float8,
  round((1013 + random())::numeric, 2)::float8, round((80 + random() * 10)::numeric, 1)::float8, -60 - (random() * 20)::int
FROM generate_series(0, ${rows - 1}) n`;
