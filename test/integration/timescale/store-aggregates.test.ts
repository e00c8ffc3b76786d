import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type StoreFixture, batchOf, openStore, reading } from '../../support/store-fixtures.ts';

let db: StoreFixture;
beforeAll(async () => {
  db = await openStore();
});
afterAll(() => db.close());

const HOUR_US = 3_600_000_000;
/** Reproducible, and with gaps: hours of one and of many readings, metrics that are missing now and then. */
function readings() {
  let seed = 7;
  const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  return Array.from({ length: 6000 }, (_, i) => {
    const hour = Math.floor(random() ** 3 * 72);
    const metrics: Record<string, number> = { temperature: 15 + 20 * random() + hour };
    if (random() < 0.5) metrics['humidity'] = 100 * random();
    if (random() < 0.2) metrics['battery'] = 100 * random();
    if (random() < 0.1) delete metrics['temperature'];
    if (random() < 0.3) metrics['rssi'] = -Math.round(30 + 60 * random());
    if (Object.keys(metrics).length === 0) metrics['pressure'] = 1013;
    return reading(1 + (i % 3), hour * HOUR_US + i * 599_000, metrics);
  });
}

const AVERAGES = {
  temp: 'temperature',
  humidity: 'humidity',
  pressure: 'pressure',
  battery: 'battery',
  rssi: 'rssi',
};

test('hourly and daily averages are those of the raw readings, to 1e-9, however uneven the hours are', async () => {
  await db.store.commit(batchOf(readings()));
  for (const view of ['sensor_hourly_agg', 'sensor_daily_agg']) {
    await db.rows(`CALL refresh_continuous_aggregate('${view}', '2025-12-01', '2026-02-01')`);
  }
  for (const [view, bucket, width] of [
    ['sensor_hourly_agg', 'hour', '1 hour'],
    ['sensor_daily_agg', 'day', '1 day'],
  ] as const) {
    const fromRaw = Object.entries(AVERAGES)
      .map(([short, column]) => `avg(${column}) AS avg_${short}, count(${column}) AS count_${short}`)
      .join(', ');
    const compared = await db.rows<Record<string, number | null>>(`
      SELECT ${Object.keys(AVERAGES).map((short) => `
          a.avg_${short} AS got_${short}, r.avg_${short}::float8 AS want_${short},
          (a.count_${short} - r.count_${short})::int AS off_${short}`).join(', ')},
        (a.readings - r.readings)::int AS off_readings, (a.min_temp - r.min_temp)::float8 AS off_min,
        (a.max_temp - r.max_temp)::float8 AS off_max
      FROM ${view} a FULL JOIN (
        SELECT time_bucket('${width}', time) AS ${bucket}, sensor_id, count(*) AS readings, min(temperature) AS min_temp,
               max(temperature) AS max_temp, ${fromRaw}
          FROM sensor_readings GROUP BY 1, 2) r USING (${bucket}, sensor_id)`); // prettier-ignore
    expect(compared.length).toBeGreaterThanOrEqual(width === '1 day' ? 9 : 100);
    for (const row of compared) {
      expect(row['off_readings']).toBe(0);
      expect(row['off_min'] ?? 0).toBe(0);
      expect(row['off_max'] ?? 0).toBe(0);
      for (const short of Object.keys(AVERAGES)) {
        expect(row[`off_${short}`]).toBe(0);
        const want = row[`want_${short}`];
        if (want === null || want === undefined) expect(row[`got_${short}`]).toBeNull();
        else
          expect(Math.abs((row[`got_${short}`] ?? NaN) - want)).toBeLessThan(
            1e-9 * Math.max(1, Math.abs(want)),
          );
      }
    }
  }
});

test('the average of averages would be wrong here: the test above can fail', async () => {
  const [row] = await db.rows<{ apart: number }>(`
    SELECT max(abs(naive - avg_temp)) AS apart FROM sensor_daily_agg JOIN (
      SELECT time_bucket('1 day', hour) AS day, sensor_id, avg(avg_temp) AS naive FROM sensor_hourly_agg GROUP BY 1, 2) n
      USING (day, sensor_id)`);
  expect(row?.apart).toBeGreaterThan(0.1);
});
