import { toSignificant } from '../../core/format-number.ts';
import * as z from '../../core/schema/zod.ts';
import { latestValues } from '../../queries/latest-values.ts';
import { type IndexedSensor, countStates, filterSensors } from '../../queries/sensor-index.ts';
import { type Spark, sparks } from '../../queries/sparks.ts';
import {
  type LatestValue,
  type SensorItem,
  sensorFacetsSchema,
  sensorListSchema,
  sensorsQuery,
} from '../contract/sensors.ts';
import type { ApiDeps } from '../deps.ts';
import { cursorText, readCursor } from './paging.ts';
import { resource } from './resource.ts';
import { sensorItem } from './sensor-item.ts';

const position = z.tuple([z.number().nullable(), z.string()]);
type Position = z.output<typeof position>;

/** By key, or those that sent last first and by key among equals. */
const orders = {
  key: (a: Position, b: Position) => compare(a[1], b[1]),
  lastSeen: (a: Position, b: Position) => (b[0] ?? -Infinity) - (a[0] ?? -Infinity) || compare(a[1], b[1]),
} as const;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const positionOf = ({ lastSeenMs, key }: IndexedSensor): Position => [lastSeenMs ?? null, key];

export const sensors = resource({
  id: 'sensors',
  method: 'GET',
  path: '/sensors',
  tag: 'sensors',
  summary: 'Sensors with their newest values and their state',
  role: 'viewer',
  shared: true,
  query: sensorsQuery,
  answer: sensorListSchema,
  async handle({ query }, deps) {
    const { cursor, limit, sort, spark, ...filter } = query;
    const after = readCursor(cursor, position);
    const order = orders[sort];
    const all = filterSensors(await deps.sensors.all(), filter);
    const sorted = sort === 'key' ? all : [...all].sort((a, b) => order(positionOf(a), positionOf(b)));
    const first =
      after === undefined ? 0 : sorted.findIndex((sensor) => order(positionOf(sensor), after) > 0);
    const rows = first < 0 ? [] : sorted.slice(first, first + limit);
    const last = rows.at(-1);
    const more = last !== undefined && first + limit < sorted.length;
    return {
      items: await itemsOf(rows, spark === true, deps),
      next: more ? cursorText(positionOf(last)) : null,
      total: all.length,
    };
  },
});

async function itemsOf(
  rows: readonly IndexedSensor[],
  withSpark: boolean,
  { db, clock }: Pick<ApiDeps, 'db' | 'clock'>,
): Promise<SensorItem[]> {
  const nowMs = clock.nowMs();
  const latest = await latestValues(db, rows, { nowMs });
  const items = rows.map((sensor) => sensorItem(sensor, latest.get(sensor.id) ?? []));
  if (!withSpark) return items;
  const wishes = rows.flatMap(({ id }, at) => {
    const metric = items[at]?.latest[0]?.metric;
    return metric === undefined ? [] : [{ id, metric }];
  });
  const found = await sparks(db, wishes, nowMs);
  return items.map((item, at) => {
    const spark = found.get(rows[at]?.id ?? 0);
    const [newest] = item.latest;
    return spark === undefined || newest === undefined ? item : { ...item, spark: sparkOf(newest, spark) };
  });
}

const sparkOf = ({ metric, unit }: LatestValue, { fromMs, stepMs, values }: Spark): SensorItem['spark'] => ({
  ...{ metric, unit },
  from: new Date(fromMs).toISOString(),
  stepS: stepMs / 1000,
  values: values.map((value) => (value === null ? null : toSignificant(value, 5))),
});

const MOST_NAMES = 1000;

export const sensorFacets = resource({
  id: 'sensorFacets',
  method: 'GET',
  path: '/sensors/facets',
  tag: 'sensors',
  summary: 'What sensors can be filtered by',
  role: 'viewer',
  shared: true,
  answer: sensorFacetsSchema,
  async handle(_request, deps) {
    const all = await deps.sensors.all();
    const distinct = (values: readonly (string | null)[]): string[] =>
      [...new Set(values.filter((value) => value !== null))].sort().slice(0, MOST_NAMES);
    return {
      locations: distinct(all.map(({ location }) => location)),
      types: distinct(all.map(({ type }) => type)),
      tags: distinct(all.flatMap(({ tags }) => tags)),
      states: countStates(all),
    };
  },
});
