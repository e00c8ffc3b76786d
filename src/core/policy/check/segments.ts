import { notBefore } from '../aggregate.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { formatInterval, intervalMs } from '../interval.ts';
import type { PolicyPlan, RelationPlan } from '../plan.ts';
import { numberOf, textOf } from '../row.ts';
import { type CatalogSnapshot, existingRelations } from '../snapshot.ts';

const CHECK = 'segments';
/** Rows of a sensor in a chunk: below this a compressed segment is hardly smaller than its rows, or even bigger. */
const FEWEST_ROWS = 100;
const GOOD_ROWS = 300;
/** Complete chunks to evaluate, and sensors to sample in each. */
const CHUNKS = 3;
const SENSORS = 20;
const RECENT_CHUNKS = 10;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** How far back to search for them. */
const reach = (chunkInterval = '1 day'): string =>
  `${Math.ceil((RECENT_CHUNKS * intervalMs(chunkInterval)) / HOUR_MS)} hours`;

/** Whether a table's segments are sensors: only then the number of rows per sensor matters. */
const segmented = (plan: PolicyPlan, snapshot: CatalogSnapshot): readonly RelationPlan[] =>
  existingRelations(plan, snapshot).filter(
    ({ columnstore }) => columnstore?.segmentBy.includes('sensor_id') === true,
  );

// The first chunk with rows is excluded: the sensors may have begun in the middle of it. Old chunks are excluded
// twice: as chunks, and from the plan, whose cost grows with the number of chunks.
const query = ({ relation: { name, timeColumn }, columnstore, chunkInterval }: RelationPlan): string => `
WITH complete AS (
  SELECT range_start, range_end FROM timescaledb_information.chunks
  WHERE hypertable_schema = current_schema() AND hypertable_name = $1 AND range_end <= now()
    AND range_start >= ${notBefore(reach(chunkInterval))}
    AND range_start > (SELECT min(range_start) FROM timescaledb_information.chunks
      WHERE hypertable_schema = current_schema() AND hypertable_name = $1)
  ORDER BY range_start DESC LIMIT ${CHUNKS}),
sample AS (SELECT id FROM sensors ORDER BY md5(id::text || now()::date::text) LIMIT ${SENSORS}),
counted AS (SELECT c.range_start, x.sensor_id, count(*) AS n FROM complete c, sample s, ${name} x
  WHERE x.${timeColumn} >= ${notBefore(reach(chunkInterval))} AND x.sensor_id = s.id
    AND x.${timeColumn} >= c.range_start AND x.${timeColumn} < c.range_end
  GROUP BY c.range_start, ${(columnstore?.segmentBy ?? ['sensor_id']).map((column) => `x.${column}`).join(', ')})
SELECT $1::text AS relation, count(DISTINCT range_start)::int AS chunks,
  coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY n), 0)::float8 AS rows FROM counted`;

/** Chunks are wide enough for the rate of the sensors: few rows per sensor and chunk do not compress. */
export const segmentsCheck: PolicyCheck = {
  name: CHECK,
  about: 'a chunk holds enough rows of each sensor to compress well',
  queries: (plan, snapshot) =>
    segmented(plan, snapshot).map((relation) => ({
      text: query(relation),
      values: [relation.relation.name],
    })),
  evaluate: (plan, snapshot, answers) =>
    segmented(plan, snapshot).flatMap((relation, index): readonly Finding[] => {
      const row = answers[index]?.[0];
      if (row === undefined || numberOf(row, 'chunks') < CHUNKS) return [];
      const rows = numberOf(row, 'rows');
      if (rows >= FEWEST_ROWS) return [];
      return [
        {
          check: CHECK,
          subject: textOf(row, 'relation'),
          verdict: 'mismatched',
          severity: 'info',
          expected: `at least ${FEWEST_ROWS} rows per sensor and chunk`,
          actual: `${Math.round(rows * 10) / 10} (median of ${CHUNKS} chunks), so compression saves little or nothing`,
          remedy: `chunk_interval: ${better(relation.chunkInterval, rows)} for ${relation.relation.name}, with compression after twice that`,
        },
      ];
    }),
};

/** The interval at which a segment would have enough rows, in whole days. */
function better(chunkInterval: string | undefined, rows: number): string {
  const now = intervalMs(chunkInterval ?? '1 day');
  const days = Math.min(Math.ceil((now / DAY_MS) * (GOOD_ROWS / Math.max(rows, 1))), 30);
  return formatInterval({ months: 0, days, ms: 0 });
}
