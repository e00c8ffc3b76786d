import { counted } from '../../counted.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { qualified } from '../repair/policy-sql.ts';
import { numberOf } from '../row.ts';
import { existingRelations } from '../snapshot.ts';

const CHECK = 'sensors';
/** Rows of each aggregate that are read. */
const MOST_ROWS = 100_000;
/** Enough for a finding. */
const MOST_SENSORS = 100;

const FROM = [
  { relation: 'sensor_hourly_agg', time: 'hour', unit: 'hour', most: 24 },
  { relation: 'sensor_daily_agg', time: 'day', unit: 'day', most: 90 },
  { relation: 'sensor_metrics_daily_agg', time: 'day', unit: 'day', most: 90 },
] as const;

// One row per sensor and bucket: with many sensors fewer buckets are read. Merged and forgotten sensors are recorded.
// A view in place of the table is a finding of `relations`.
const idsOf = ({ relation, time, unit, most }: (typeof FROM)[number]): string =>
  `SELECT a.sensor_id AS id FROM ${relation} a WHERE a.${time} > now() - INTERVAL '${most} ${unit}s'
  AND a.${time} > now() - INTERVAL '1 ${unit}' * (SELECT least(${most}, ${MOST_ROWS} / greatest(count(*), 1)) FROM sensors)`;
const QUERY = `
SELECT found.id FROM (${FROM.map(idsOf).join('\n  UNION ')}) found
WHERE EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('sensors') AND relkind = 'r')
  AND NOT EXISTS (SELECT FROM sensors s WHERE s.id = found.id)
  AND NOT EXISTS (SELECT FROM sensor_changes c WHERE c.sensor_id = found.id AND c.kind IN ('merge', 'forget'))
ORDER BY 1 LIMIT ${MOST_SENSORS}`;

/** No row of `sensors` was deleted manually: its readings would belong to no device, and its next reading gets another id. */
export const sensorsCheck: PolicyCheck = {
  name: CHECK,
  about: 'the sensors of the readings are registered',
  queries: (plan, snapshot) => {
    const names = existingRelations(plan, snapshot).map(({ relation }): string => relation.name);
    return FROM.every(({ relation }) => names.includes(relation)) ? [{ text: QUERY }] : [];
  },
  evaluate: (_plan, { server }, [rows = []]) => (rows.length === 0 ? [] : [evaluate(rows, server.schema)]),
};

function evaluate(rows: readonly CatalogRow[], schema: string): Finding {
  const ids = rows.map((row) => numberOf(row, 'id'));
  const some = ids.length > 10 ? `${ids.slice(0, 10).join(', ')}, …` : ids.join(', ');
  const values = ids.map((id) => `(${id}, 'unknown-${id}')`).join(', ');
  return {
    ...{ check: CHECK, subject: 'sensors', verdict: 'missing', severity: 'critical' },
    expected: 'a row of sensors for each sensor_id of the readings',
    actual: `${ids.length === MOST_SENSORS ? 'at least ' : ''}${counted(ids.length, 'sensor')} with readings and without a row, deleted by hand: id ${some}`,
    remedy: `restore the rows from a backup (docs/operations.md); without one: INSERT INTO ${qualified(schema, 'sensors')} (id, key) VALUES ${values}; -- then \`fieldwatch sensors rename\` where a key is known, or \`fieldwatch sensors merge\` into the sensor that was registered for it since`,
  };
}
