import { ABSENCE_KINDS } from '../core/alert/kind/index.ts';
import type { Millis } from '../core/reading.ts';
import { type SensorCondition, type SensorState, SENSOR_STATES, sensorState } from '../core/sensor-state.ts';
import type { Db } from './db.ts';

/** Rows of one query: on the embedded server, which has one session, what is to be stored waits for no more than that. */
const SLICE = 2000;
/** A list that is read again within this time is the same. */
const FRESH_MS = 2000;
/** Newest readings, of which lists show those of a page anyway. */
const SEEN_FRESH_MS = 10_000;
/** They are looked for from the last time on, less this; in full only now and then. */
const LATE_MS = 3_600_000;
const FULL_EVERY_MS = 600_000;
/** In full: among the chunks of a day first, where nearly all are. */
const RECENT_MS = [25 * 3_600_000, 8 * 86_400_000];

export const indexRowsSql = `
SELECT s.id, s.key, s.name, s.type, s.location, s.tags, s.gateway, s.declared, s.created_at AS "createdAt",
  CASE WHEN s.retired_at IS NULL THEN NULL WHEN s.retired_until_seen THEN 'until_seen' ELSE 'for_good' END AS retired
FROM sensors s WHERE s.id > $1::int ORDER BY s.id LIMIT $2`;

interface SensorRow {
  readonly id: number;
  readonly key: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
  readonly gateway: string | null;
  readonly declared: boolean;
  readonly createdAt: Date;
  readonly retired: 'for_good' | 'until_seen' | null;
}

// The bound of time is a constant of the statement: planning then leaves out the chunks before it, which costs nothing. A bound that
// comes from a row leaves them out while the query runs, once a row.
/** The newest reading after $2 of each sensor $1: one probe of an index a sensor, newest chunk first. */
export const lastSeenSql = `
SELECT k.id, r.time FROM unnest($1::int[]) AS k(id)
CROSS JOIN LATERAL (
  SELECT time FROM sensor_readings WHERE sensor_id = k.id AND time > $2::timestamptz ORDER BY time DESC LIMIT 1
) r`;

/** Last times from the daily figures: they have few chunks, and outlive the readings. */
export const lastDaySql = `
SELECT k.id, d.time FROM unnest($1::int[]) AS k(id)
CROSS JOIN LATERAL (
  SELECT last_time AS time FROM sensor_daily_agg WHERE sensor_id = k.id ORDER BY day DESC LIMIT 1
) d`;

/** How many alerts are open of each sensor that has one. */
export const openBySensorSql = `
SELECT sensor_id AS id, count(*) FILTER (WHERE kind <> ALL ($1::text[]))::int AS alerts,
  count(*) FILTER (WHERE kind = ANY ($1))::int AS missing
FROM alert_state WHERE state NOT IN ('ok', 'pending') GROUP BY sensor_id`;

/** A sensor as lists need it. */
export interface IndexedSensor extends SensorRow, Omit<SensorCondition, 'retired'> {
  readonly state: SensorState;
}

export interface SensorFilter {
  /** Part of key, name, location or type. */
  readonly search?: string | undefined;
  readonly location?: string | undefined;
  readonly type?: string | undefined;
  readonly tag?: string | undefined;
  readonly state?: readonly SensorState[] | undefined;
}

export type StateCounts = Readonly<Record<SensorState, number>>;

/**
 * All sensors with their newest reading and their state, for lists that are read again and again: filters and orders that no
 * index of the database has cost nothing then. Read again when it is older than two seconds, and readings only as far as they may be
 * new. Empty until it is used.
 */
export class SensorIndex {
  readonly #db: Db;
  readonly #nowMs: () => Millis;
  readonly #monotonicMs: () => Millis;
  #sensors: readonly IndexedSensor[] = [];
  #byKey: ReadonlyMap<string, IndexedSensor> = new Map();
  #lastSeen: ReadonlyMap<number, Millis> = new Map();
  #readAtMs = -Infinity;
  #readFromMs: Millis | undefined;
  #fullAtMs = -Infinity;
  #newestAtMs = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(db: Db, clock: { nowMs(): Millis; monotonicMs(): Millis }) {
    this.#db = db;
    this.#nowMs = () => clock.nowMs();
    this.#monotonicMs = () => clock.monotonicMs();
  }

  /** All of them, by key. */
  async all(): Promise<readonly IndexedSensor[]> {
    await this.#refresh();
    return this.#sensors;
  }

  async find(key: string): Promise<IndexedSensor | undefined> {
    await this.#refresh();
    return this.#byKey.get(key);
  }

  /** The next query reads current rows: after a change by this process. */
  expire(): void {
    this.#readAtMs = -Infinity;
  }

  async #refresh(): Promise<void> {
    if (this.#monotonicMs() - this.#readAtMs < FRESH_MS) return;
    await (this.#reading ??= this.#read().finally(() => (this.#reading = undefined)));
  }

  async #read(): Promise<void> {
    const startedMs = this.#monotonicMs();
    const nowMs = this.#nowMs();
    const rows = await this.#rows();
    const open = new Map(
      (await this.#db.query<OpenRow>(openBySensorSql, [ABSENCE_KINDS])).rows.map((row) => [row.id, row]),
    );
    const lastSeen = await this.#newest(rows, startedMs, nowMs);
    this.#sensors = rows
      .map((row) => {
        const { alerts = 0, missing = 0 } = open.get(row.id) ?? {};
        const condition = { alerts, missing, lastSeenMs: lastSeen.get(row.id), retired: row.retired };
        return { ...row, ...condition, state: sensorState(condition, nowMs) };
      })
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    this.#byKey = new Map(this.#sensors.map((sensor) => [sensor.key, sensor]));
    this.#lastSeen = lastSeen;
    this.#readAtMs = startedMs;
  }

  async #rows(): Promise<SensorRow[]> {
    const rows: SensorRow[] = [];
    for (;;) {
      const slice = (
        await this.#db.query<SensorRow>(indexRowsSql, [rows.at(-1)?.id ?? -2_147_483_648, SLICE])
      ).rows;
      rows.push(...slice);
      if (slice.length < SLICE) return rows;
    }
  }

  async #newest(
    rows: readonly SensorRow[],
    startedMs: Millis,
    nowMs: Millis,
  ): Promise<ReadonlyMap<number, Millis>> {
    const ids = rows.map(({ id }) => id);
    const known = new Set(this.#sensors.map(({ id }) => id));
    const added = ids.filter((id) => !known.has(id));
    const isFull = startedMs - this.#fullAtMs >= FULL_EVERY_MS || this.#readFromMs === undefined;
    if (!isFull && startedMs - this.#newestAtMs < SEEN_FRESH_MS) {
      const lastSeen = new Map(this.#lastSeen);
      await this.#search(lastSeen, added, nowMs);
      return lastSeen;
    }
    const newest = new Map<number, Millis>();
    if (isFull) {
      await this.#search(newest, ids, nowMs);
      this.#fullAtMs = startedMs;
    } else {
      await this.#probe(newest, ids, lastSeenSql, [new Date((this.#readFromMs ?? 0) - LATE_MS)]);
      for (const [id, before] of this.#lastSeen) newest.set(id, Math.max(before, newest.get(id) ?? before));
      await this.#search(newest, added, nowMs);
    }
    this.#readFromMs = nowMs;
    this.#newestAtMs = startedMs;
    return newest;
  }

  /** However old it is: among the newest chunks first. */
  async #search(found: Map<number, Millis>, ids: readonly number[], nowMs: Millis): Promise<void> {
    for (const ageMs of RECENT_MS) await this.#probe(found, ids, lastSeenSql, [new Date(nowMs - ageMs)]);
    await this.#probe(found, ids, lastDaySql, []);
    await this.#probe(found, ids, lastSeenSql, [new Date(0)]);
  }

  /** Asks for those that are not found yet. */
  async #probe(
    found: Map<number, Millis>,
    ids: readonly number[],
    text: string,
    bound: Date[],
  ): Promise<void> {
    const wanted = ids.filter((id) => !found.has(id));
    for (let at = 0; at < wanted.length; at += SLICE) {
      const slice = wanted.slice(at, at + SLICE);
      const { rows } = await this.#db.query<{ id: number; time: Date }>(text, [slice, ...bound]);
      for (const { id, time } of rows) found.set(id, time.getTime());
    }
  }
}

interface OpenRow {
  readonly id: number;
  readonly alerts: number;
  readonly missing: number;
}

/** The sensors that a filter lets through, in their order. */
export function filterSensors(
  sensors: readonly IndexedSensor[],
  { search, location, type, tag, state }: SensorFilter,
): readonly IndexedSensor[] {
  const wanted = search?.trim().toLowerCase() ?? '';
  const holds = (text: string | null) => text?.toLowerCase().includes(wanted) === true;
  return sensors.filter(
    (sensor) =>
      (wanted === '' ||
        holds(sensor.key) ||
        holds(sensor.name) ||
        holds(sensor.location) ||
        holds(sensor.type)) &&
      (location === undefined || sensor.location === location) &&
      (type === undefined || sensor.type === type) &&
      (tag === undefined || sensor.tags.includes(tag)) &&
      (state === undefined || state.includes(sensor.state)),
  );
}

export function countStates(sensors: readonly IndexedSensor[]): StateCounts {
  const counts = Object.fromEntries(SENSOR_STATES.map((state) => [state, 0])) as Record<SensorState, number>;
  for (const { state } of sensors) counts[state]++;
  return counts;
}
