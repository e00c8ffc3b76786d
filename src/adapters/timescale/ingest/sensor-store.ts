import type pg from 'pg';
import { FieldwatchError } from '../../../core/errors.ts';
import type { NewDevice, Sensor, SensorChanges, SensorStore } from '../../../ports/sensors.ts';
import { databaseError } from '../errors.ts';
import { nameRules, refuseBlocked, refuseVanished } from './relied-on.ts';
import { storableText } from '../values.ts';

/** A sensor named in the configuration: its facts win over what is stored. */
export interface DeclaredSensor {
  readonly key: string;
  readonly name?: string | undefined;
  readonly type?: string | undefined;
  readonly location?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly gateway?: string | undefined;
}

type Db = Pick<pg.Pool, 'query'>;

const SENSOR = `id, key, name, type, location, tags, gateway, located_by_topic AS "followsTopic",
  CASE WHEN retired_at IS NULL THEN NULL WHEN retired_until_seen THEN 'until_seen' ELSE 'for_good' END AS retired`;
const WITH_ALIASES = `SELECT ${SENSOR}, aliases FROM sensors
  LEFT JOIN (SELECT sensor_id, array_agg(key) AS aliases FROM sensor_aliases GROUP BY sensor_id) a ON a.sensor_id = id`;

/**
 * Registered devices. Each call is a short transaction of its own, never part of a batch's: sensors are locked by any
 * registration, and a batch that waited for that while it holds chunks could deadlock.
 */
export class TimescaleSensorStore implements SensorStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  loadAll(): Promise<readonly Sensor[]> {
    return this.#select(`${WITH_ALIASES} ORDER BY id`, []);
  }

  async loadChanges(): Promise<SensorChanges> {
    const rows = await this.#query<{ seq: number; forgotten: number | null; target: number | null }>(
      `SELECT seq::float8 AS seq, CASE WHEN kind <> 'rename' THEN sensor_id END AS forgotten, target_id AS target
         FROM sensor_changes ORDER BY seq`,
      [],
    );
    const forgotten = new Map<number, number | null>();
    for (const row of rows) if (row.forgotten !== null) forgotten.set(row.forgotten, row.target);
    return { seq: rows.at(-1)?.seq ?? 0, forgotten };
  }

  find(keys: readonly string[]): Promise<readonly Sensor[]> {
    return eachStorable(keys, (some) =>
      this.#select(
        `${WITH_ALIASES} WHERE key = ANY ($1::text[])
           OR id IN (SELECT sensor_id FROM sensor_aliases WHERE key = ANY ($1::text[]))`,
        [some.map(storableText)],
      ),
    );
  }

  findByIds(ids: readonly number[]): Promise<readonly Sensor[]> {
    return this.#select(`${WITH_ALIASES} WHERE id = ANY ($1::int[])`, [ids]);
  }

  async register(devices: readonly NewDevice[]): Promise<readonly Sensor[]> {
    const sensors = await eachStorable(devices, (some) => this.#register(some));
    if (sensors.length >= devices.length) return sensors;
    // It may be the facts alone that cannot be stored.
    const keys = new Set(sensors.map(({ key }) => key));
    const others = devices.filter(
      ({ key, location, gateway }) => (location ?? gateway) !== undefined && !keys.has(key),
    );
    const placeless = others.map(({ key }) => ({ key }));
    return [...sensors, ...(await eachStorable(placeless, (some) => this.#register(some)))];
  }

  locate(devices: readonly NewDevice[]): Promise<readonly Sensor[]> {
    return eachStorable(devices, (some) => this.#locate(some));
  }

  async #register(devices: readonly NewDevice[]): Promise<readonly Sensor[]> {
    const facts = new Map(devices.map((device) => [storableText(device.key), device]));
    const keys = [...facts.keys()].sort();
    // In one order for all daemons; NOT EXISTS first, because ON CONFLICT alone burns an id for each key that is there.
    await this.#write(
      `INSERT INTO sensors (key, location, gateway, located_by_topic)
       SELECT fresh.*, fresh.location IS NOT NULL FROM unnest($1::text[], $2::text[], $3::text[]) AS fresh (key, location, gateway)
        WHERE NOT EXISTS (SELECT FROM sensors s WHERE s.key = fresh.key)
          AND NOT EXISTS (SELECT FROM sensor_aliases a WHERE a.key = fresh.key) ORDER BY 1
       ON CONFLICT (key) DO NOTHING RETURNING ${SENSOR}`,
      [
        keys,
        keys.map((key) => nullable(facts.get(key)?.location)),
        keys.map((key) => nullable(facts.get(key)?.gateway)),
      ],
    );
    const found = await this.find(keys);
    const names = new Set(found.flatMap(({ key, aliases }) => [key, ...(aliases ?? [])]));
    refuseVanished('sensors', keys.length, keys.filter((key) => names.has(key)).length);
    return found;
  }

  async #locate(devices: readonly NewDevice[]): Promise<readonly Sensor[]> {
    const keys = devices.map(({ key }) => storableText(key));
    await this.#select(
      `UPDATE sensors s SET location = coalesce(s.location, d.location), gateway = coalesce(s.gateway, d.gateway),
              located_by_topic = s.located_by_topic OR s.location IS NULL AND d.location IS NOT NULL, updated_at = now()
         FROM unnest($1::text[], $2::text[], $3::text[]) AS d (key, location, gateway)
        WHERE s.key = d.key
          AND (s.location IS NULL AND d.location IS NOT NULL OR s.gateway IS NULL AND d.gateway IS NOT NULL)
       RETURNING s.id`,
      [
        keys,
        devices.map(({ location }) => nullable(location)),
        devices.map(({ gateway }) => nullable(gateway)),
      ],
    );
    // Also those that another daemon was quicker with.
    return this.find(keys);
  }

  async move(sensors: readonly NewDevice[]): Promise<readonly Sensor[]> {
    return eachStorable(sensors, (some) => this.#move(some));
  }

  /** One change, however many have moved: it has every daemon read the sensors again. */
  #move(sensors: readonly NewDevice[]): Promise<readonly Sensor[]> {
    return this.#select(
      `WITH moved AS (
         UPDATE sensors s SET location = d.location, updated_at = now()
           FROM unnest($1::text[], $2::text[]) AS d (key, location)
          WHERE s.key = d.key AND s.located_by_topic AND s.location IS DISTINCT FROM d.location RETURNING s.*),
       change AS (
         INSERT INTO sensor_changes (kind, key, sensor_id, target_id, changed_by, moved_at, fact)
         SELECT 'rename', key, id, id, 'its topic', now(), 'located' FROM moved ORDER BY id LIMIT 1)
       SELECT ${SENSOR} FROM moved`,
      [sensors.map(({ key }) => storableText(key)), sensors.map(({ location }) => nullable(location))],
    );
  }

  async unretire(keys: readonly string[]): Promise<void> {
    await this.#select(
      `WITH back AS (
         UPDATE sensors SET retired_at = NULL, retired_by = NULL, retired_until_seen = false, updated_at = now()
          WHERE retired_until_seen AND key = ANY ($1::text[]) RETURNING id, key)
       INSERT INTO sensor_changes (kind, key, sensor_id, target_id, changed_by, moved_at, fact)
       SELECT 'rename', key, id, id, 'its reading', now(), 'returned' FROM back`,
      [keys.map(storableText)],
    );
  }

  /**
   * Brings the configuration's sensors into the table: what it states is set, what it leaves open stays. A sensor that
   * is no longer declared keeps its facts and its readings; only the mark goes. A gateway that is no sensor yet becomes one.
   */
  async declare(sensors: readonly DeclaredSensor[]): Promise<readonly Sensor[]> {
    const ordered = [...sensors].sort((a, b) => (a.key < b.key ? -1 : 1));
    // A key that the configuration names is a sensor of its own.
    await this.#select(`DELETE FROM sensor_aliases WHERE key = ANY ($1::text[])`, [
      ordered.map(({ key }) => key),
    ]);
    const rows = await this.#write(
      `INSERT INTO sensors (key, name, type, location, tags, gateway, declared)
       SELECT d->>'key', d->>'name', d->>'type', d->>'location', ${tagsOf('d')}, d->>'gateway', true
         FROM jsonb_array_elements($1::jsonb) AS d ORDER BY 1
       ON CONFLICT (key) DO UPDATE SET
         name = coalesce(excluded.name, sensors.name), type = coalesce(excluded.type, sensors.type),
         location = coalesce(excluded.location, sensors.location),
         located_by_topic = sensors.located_by_topic AND excluded.location IS NULL, gateway = coalesce(excluded.gateway, sensors.gateway),
         tags = CASE WHEN excluded.tags = '{}' THEN sensors.tags ELSE excluded.tags END,
         declared = true, updated_at = now()
       RETURNING ${SENSOR}`,
      [JSON.stringify(ordered)],
    );
    refuseVanished('sensors', new Set(ordered.map(({ key }) => key)).size, rows.length);
    const declared = new Set(ordered.map(({ key }) => key));
    const gateways = ordered.flatMap(({ gateway }) => gateway ?? []).filter((key) => !declared.has(key));
    if (gateways.length > 0) await this.register([...new Set(gateways)].map((key) => ({ key })));
    await this.#select(
      `UPDATE sensors SET declared = false, updated_at = now() WHERE declared AND key <> ALL ($1::text[])`,
      [ordered.map(({ key }) => key)],
    );
    return rows;
  }

  /** Into `sensors`; rules on it are named. */
  async #write(text: string, values: unknown[]): Promise<readonly Sensor[]> {
    try {
      return (await this.#db.query(text, values)).rows as Sensor[];
    } catch (error) {
      await refuseBlocked(this.#db, 'sensors', error);
      throw databaseError(await nameRules(this.#db, 'sensors', error), 'registering sensors');
    }
  }

  #select(text: string, values: unknown[]): Promise<readonly Sensor[]> {
    return this.#query<Sensor>(text, values);
  }

  async #query<Row>(text: string, values: unknown[]): Promise<Row[]> {
    try {
      return (await this.#db.query(text, values)).rows as Row[];
    } catch (error) {
      throw databaseError(error, 'looking up sensors');
    }
  }
}

/**
 * Runs a statement over what comes from outside. Where the database refuses the data (a name that its encoding cannot
 * hold, say), it is run for each half, and half again: the refused one is left out, and costs the others nothing.
 */
async function eachStorable<Item>(
  items: readonly Item[],
  run: (some: readonly Item[]) => Promise<readonly Sensor[]>,
): Promise<readonly Sensor[]> {
  try {
    return await run(items);
  } catch (error) {
    if (!(error instanceof FieldwatchError) || error.kind !== 'data') throw error;
    if (items.length <= 1) return [];
    const middle = items.length >>> 1;
    const first = await eachStorable(items.slice(0, middle), run);
    return [...first, ...(await eachStorable(items.slice(middle), run))];
  }
}

const tagsOf = (element: string) =>
  `coalesce((SELECT array_agg(t) FROM jsonb_array_elements_text(nullif(${element}->'tags', 'null')) AS t), '{}')`;

const nullable = (text: string | undefined): string | null =>
  text === undefined ? null : storableText(text);
