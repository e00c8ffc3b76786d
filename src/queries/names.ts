import { FieldwatchError } from '../core/errors.ts';
import { CORE_METRICS } from '../core/reading.ts';
import { suggest } from '../core/did-you-mean.ts';
import { type Db, type Selection, selected } from './db.ts';
import { foundUnder, unlessUnholdable } from './found.ts';
import { isCore } from './readings.ts';

/** Longer names have no typing mistake that a comparison would find in time. */
const COMPARED_CHARACTERS = 64;
const COMPARED_NAMES = 20_000;

export interface Names extends Selection {
  readonly metric?: string | readonly string[] | undefined;
}

export const unknownNamesSql = `
SELECT ARRAY(SELECT k FROM unnest($1::text[]) k WHERE NOT EXISTS (SELECT FROM sensors WHERE key = k)
    AND NOT ($4::boolean AND EXISTS (SELECT FROM system_alerts WHERE subject = k))) AS sensors,
  $2::text IS NOT NULL AND NOT EXISTS (SELECT FROM sensors WHERE location = $2) AS location,
  ARRAY(SELECT m FROM unnest($3::text[]) m WHERE NOT ${isCore('m')}
    AND NOT EXISTS (SELECT FROM metrics WHERE name = m)) AS metrics`;

interface Unknown {
  readonly sensors: readonly string[];
  readonly location: boolean;
  readonly metrics: readonly string[];
}

const formerSql = `
SELECT a.key AS former, s.key FROM sensor_aliases a JOIN sensors s ON s.id = a.sensor_id WHERE a.key = ANY ($1::text[])`;
const KNOWN = {
  sensor: 'SELECT key AS name FROM sensors ORDER BY key LIMIT $1',
  location: 'SELECT DISTINCT location AS name FROM sensors WHERE location IS NOT NULL ORDER BY 1 LIMIT $1',
  metric: 'SELECT name FROM metrics ORDER BY name LIMIT $1',
} as const;

/** The sensors of a selection by their present keys; undefined: all of them. */
export type PresentKeys = readonly string[] | undefined;

/**
 * The sensors of a selection: a former key stands for the present one. Rejects with SENSOR_UNKNOWN, LOCATION_UNKNOWN or METRIC_UNKNOWN
 * for a name that the database does not have, with the one that was probably meant: such a name gives no rows, as an idle sensor
 * does. `subjects`: what alerts of the system are about counts as a sensor.
 */
export async function presentKeys(
  db: Db,
  names: Names,
  { subjects = false }: { readonly subjects?: boolean } = {},
): Promise<PresentKeys> {
  const [keys, location] = selected(names);
  const { metric = [] } = names;
  const metrics = typeof metric === 'string' ? [metric] : metric;
  if (keys === null && location === null && metrics.length === 0) return undefined;
  const unknown = await unknownNames(db, { keys: keys ?? [], location, metrics, subjects });
  const former = await formerKeys(db, unknown.sensors);
  for (const key of unknown.sensors) if (!former.has(key)) throw await unknownSensor(db, key);
  if (location !== null && unknown.location)
    throw unknownName(
      `no sensor has the location ${JSON.stringify(location)}`,
      'LOCATION_UNKNOWN',
      await closest(db, 'location', location),
      '`fieldwatch readings locations` shows those there are.',
    );
  const [other] = unknown.metrics;
  if (other !== undefined)
    throw unknownName(
      `no metric has the name ${JSON.stringify(other)}`,
      'METRIC_UNKNOWN',
      await closest(db, 'metric', other),
      `Metrics are ${CORE_METRICS.join(', ')}, and those of \`fieldwatch metrics list\`.`,
    );
  return keys === null ? undefined : [...new Set(keys.map((key) => former.get(key) ?? key))];
}

interface Wanted {
  readonly keys: readonly string[];
  readonly location: string | null;
  readonly metrics: readonly string[];
  readonly subjects: boolean;
}

const NONE: Unknown = { sensors: [], location: false, metrics: [] };

/** One query; where the database cannot hold one of the names, one a name. */
async function unknownNames(db: Db, { keys, location, metrics, subjects }: Wanted): Promise<Unknown> {
  const unknownOf = (own: readonly string[], place: string | null, names: readonly string[]) =>
    unlessUnholdable(async () => {
      const { rows } = await db.query<Unknown>(unknownNamesSql, [own, place, names, subjects]);
      return rows[0] ?? NONE;
    });
  const all = await unknownOf(keys, location, metrics);
  if (all !== undefined) return all;
  const [unknownKeys, unknownMetrics]: [string[], string[]] = [[], []];
  for (const key of keys)
    unknownKeys.push(...((await unknownOf([key], null, [])) ?? { sensors: [key] }).sensors);
  for (const name of metrics)
    unknownMetrics.push(...((await unknownOf([], null, [name])) ?? { metrics: [name] }).metrics);
  const place = location === null ? NONE : await unknownOf([], location, []);
  return { sensors: unknownKeys, location: place?.location ?? true, metrics: unknownMetrics };
}

async function formerKeys(db: Db, keys: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (keys.length === 0) return new Map();
  const rows = await foundUnder(
    keys,
    async (names) => (await db.query<{ former: string; key: string }>(formerSql, [names])).rows,
  );
  return new Map(rows.map(({ former, key }) => [former, key]));
}

/** SENSOR_UNKNOWN, with the key that was probably meant, or else `otherwise` as its remedy. */
export async function unknownSensor(
  db: Db,
  key: string,
  otherwise = '`fieldwatch sensors list` shows the keys; `sensors.declare` in the configuration registers one beforehand.',
): Promise<FieldwatchError> {
  const message = `no sensor is registered under the key ${JSON.stringify(key)}`;
  return unknownName(message, 'SENSOR_UNKNOWN', await closest(db, 'sensor', key), otherwise);
}

async function closest(db: Db, kind: keyof typeof KNOWN, name: string): Promise<string | undefined> {
  if (name.length > COMPARED_CHARACTERS) return undefined;
  const { rows } = await db.query<{ name: string }>(KNOWN[kind], [COMPARED_NAMES]);
  const known = rows.map((row) => row.name);
  return suggest(name, kind === 'metric' ? [...CORE_METRICS, ...known] : known);
}

const unknownName = (message: string, code: string, close: string | undefined, otherwise: string) =>
  new FieldwatchError(message, {
    code,
    kind: 'data',
    remedy: close === undefined ? otherwise : `Did you mean ${JSON.stringify(close)}?`,
  });
