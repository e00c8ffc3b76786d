import type pg from 'pg';
import { FieldwatchError } from '../../../core/errors.ts';
import { inTransaction } from '../connection/transaction.ts';
import { codeOf } from '../errors.ts';
import { type MergeConflict, MergeLetter } from './merge-letter.ts';

/**
 * Implements `sensors rename | merge | forget`, while daemons write. First one short transaction changes the sensors, the alerts
 * and `sensor_changes`: for it every writing transaction waits, and after it none writes for a deleted id. Then the
 * readings follow, one chunk a transaction: an interrupted run is resumed by the next.
 */

export type SensorChangeKind = 'rename' | 'merge' | 'forget';

export interface SensorChange {
  readonly kind: SensorChangeKind;
  readonly key: string;
  /** The new key, or that of the other sensor; undefined when the sensor is forgotten. */
  readonly target?: string | undefined;
  readonly by: string;
}

/** A sensor, and the amount of its data. */
export interface SensorHoldings {
  readonly id: number;
  readonly declared: boolean;
  readonly readings: number;
  readonly values: number;
  readonly first: Date | null;
  readonly last: Date | null;
  readonly compressedChunks: number;
  readonly alerts: number;
  readonly openAlerts: number;
  readonly silences: number;
  readonly aliases: readonly string[];
}

export type Query = <Row>(text: string, values?: unknown[]) => Promise<Row[]>;

const HYPERTABLES = ['sensor_readings', 'sensor_metrics'] as const;
const TABLES = {
  sensor_readings: { key: 'time', columns: ['temperature', 'humidity', 'pressure', 'battery', 'rssi'] },
  sensor_metrics: { key: 'time, metric_id', columns: ['value'] },
} as const;

const HOLDINGS = `
WITH r AS (SELECT count(*)::float8 AS n, min(time) AS first, max(time) AS last FROM sensor_readings WHERE sensor_id = $1),
     m AS (SELECT count(*)::float8 AS n, min(time) AS first, max(time) AS last FROM sensor_metrics WHERE sensor_id = $1)
SELECT r.n AS readings, m.n AS values, least(r.first, m.first) AS first, greatest(r.last, m.last) AS last,
  (SELECT count(*)::int FROM timescaledb_information.chunks c
    WHERE c.hypertable_schema = current_schema() AND c.hypertable_name IN ('sensor_readings', 'sensor_metrics') AND c.is_compressed
      AND c.range_end > least(r.first, m.first) AND c.range_start <= greatest(r.last, m.last)) AS "compressedChunks",
  (SELECT count(*)::float8 FROM sensor_alerts WHERE sensor_id = $1) AS alerts,
  (SELECT count(*)::int FROM sensor_alerts WHERE sensor_id = $1 AND resolved_at IS NULL) AS "openAlerts",
  (SELECT count(*)::int FROM silences WHERE ends_at > now() AND matchers ->> 'sensor' = $2) AS silences,
  ARRAY(SELECT key FROM sensor_aliases WHERE sensor_id = $1 ORDER BY key) AS aliases
FROM r, m`;

/** The data of a sensor; undefined when no sensor has the key. */
export async function holdingsOf(client: pg.ClientBase, key: string): Promise<SensorHoldings | undefined> {
  const ask = queryOf(client);
  const [sensor] = await ask<{ id: number; declared: boolean }>(
    'SELECT id, declared FROM sensors WHERE key = $1',
    [key],
  );
  if (sensor === undefined) return undefined;
  const [found] = await ask<Omit<SensorHoldings, 'id' | 'declared'>>(HOLDINGS, [sensor.id, key]);
  return { ...sensor, ...found! };
}

/** Readings and values that both sensors have at one time, with other values. */
export async function conflictsBetween(client: pg.ClientBase, from: number, to: number): Promise<number> {
  let count = 0;
  for (const table of HYPERTABLES) {
    const [row] = await queryOf(client)<{ n: number }>(
      `SELECT count(*)::float8 AS n FROM ${table} o JOIN ${table} n USING (${TABLES[table].key})
        WHERE o.sensor_id = $1 AND n.sensor_id = $2 AND ${differs(table)}`,
      [from, to],
    );
    count += row?.n ?? 0;
  }
  return count;
}

/** The other has a value that the one that stays lacks, or has otherwise. */
const differs = (table: keyof typeof TABLES): string =>
  `(${TABLES[table].columns.map((c) => `o.${c} IS NOT NULL AND o.${c} IS DISTINCT FROM n.${c}`).join(' OR ')})`;

/** The first step: all or nothing. @returns how many open alerts it closed. */
export async function changeSensor(client: pg.ClientBase, change: SensorChange): Promise<number> {
  const ask = queryOf(client);
  return inTransaction(client, async () => {
    // Waits for the transactions that write; later ones wait for this one, and detect its change.
    await ask('LOCK TABLE sensor_changes IN ACCESS EXCLUSIVE MODE');
    return changeWithin(ask, change);
  });
}

async function changeWithin(ask: Query, { kind, key, target, by }: SensorChange): Promise<number> {
  const rows = await ask<{ id: number; key: string; declared: boolean }>(
    'SELECT id, key, declared FROM sensors WHERE key = ANY ($1::text[]) ORDER BY id FOR UPDATE',
    [[key, target ?? key]],
  );
  const old = rows.find((row) => row.key === key);
  const other = rows.find((row) => row.key === target);
  refuse({ kind, key, target: target ?? '', old, other });
  const { id } = old!;
  await ask(
    `INSERT INTO sensor_changes (kind, key, sensor_id, target_id, changed_by, moved_at)
     VALUES ($1, $2, $3, $4, $5, CASE WHEN $1 = 'rename' THEN now() END)`,
    [kind, key, id, kind === 'rename' ? id : (other?.id ?? null), by],
  );
  if (kind === 'rename') {
    await ask('DELETE FROM sensor_aliases WHERE key = $1', [target]);
    await ask('UPDATE sensors SET key = $2, updated_at = now() WHERE id = $1', [id, target]);
  } else await closeSensor(ask, id, other?.id ?? null, key);
  await ask('UPDATE sensors SET gateway = $2, updated_at = now() WHERE gateway = $1', [key, target ?? null]);
  if (kind !== 'forget') {
    await ask('INSERT INTO sensor_aliases (key, sensor_id) VALUES ($1, $2)', [key, other?.id ?? id]);
    await ask(
      `UPDATE silences SET matchers = jsonb_set(matchers, '{sensor}', to_jsonb($2::text))
        WHERE ends_at > now() AND matchers ->> 'sensor' = $1`,
      [key, target],
    );
  }
  return kind === 'rename' ? 0 : closedBy(ask, id, other?.id ?? null);
}

function refuse({
  kind,
  key,
  target,
  old,
  other,
}: {
  readonly kind: SensorChangeKind;
  readonly key: string;
  readonly target: string;
  readonly old: { readonly declared: boolean } | undefined;
  readonly other: { readonly id: number } | undefined;
}): void {
  const fault = (code: string, message: string, remedy: string) =>
    new FieldwatchError(message, { code, kind: 'data', remedy });
  const unknown = (name: string) =>
    fault(
      'SENSOR_UNKNOWN',
      `no sensor is registered under the key ${JSON.stringify(name)}`,
      '`fieldwatch sensors list` shows the keys',
    );
  if (old === undefined) throw unknown(key);
  if (old.declared)
    throw fault(
      'SENSOR_DECLARED',
      `sensor ${JSON.stringify(key)} is declared in the configuration`,
      'take it out of sensors.declare and reload the daemon first: it would be registered anew at the next start',
    );
  if (kind === 'rename' && (other !== undefined || target === key))
    throw fault(
      'SENSOR_EXISTS',
      `a sensor has the key ${JSON.stringify(target)} already`,
      'use `fieldwatch sensors merge` to join two sensors',
    );
  if (kind === 'merge' && other === undefined) throw unknown(target);
  if (kind === 'merge' && target === key)
    throw fault('SENSOR_EXISTS', 'a sensor cannot be merged with itself', 'name two sensors');
}

/** The open episodes of a sensor end: for the lines and the sinks of the daemons, and for the engine. */
export async function endStates(
  ask: Query,
  id: number,
  { reason, text }: { readonly reason: 'manual' | 'retired'; readonly text: string },
): Promise<void> {
  await ask(
    `INSERT INTO alert_outbox (alert_id, seq, event, payload)
     SELECT s.alert_id, s.seq + 1, 'resolved', o.payload || jsonb_build_object('event', 'resolved', 'seq', s.seq + 1,
         'reason', $3::text, 'resolvedValue', NULL, 'eventTimeMs', floor(extract(epoch FROM now()) * 1000),
         'durationS', round(extract(epoch FROM now() - s.started_at)), 'message', $2::text)
       FROM alert_state s CROSS JOIN LATERAL (
         SELECT payload FROM alert_outbox o WHERE o.alert_id = s.alert_id ORDER BY seq DESC LIMIT 1) o
      WHERE s.sensor_id = $1 AND s.alert_id IS NOT NULL AND s.fired_at IS NOT NULL
     ON CONFLICT DO NOTHING`,
    [id, text, reason],
  );
  await ask('DELETE FROM alert_state WHERE sensor_id = $1', [id]);
  await ask(
    `UPDATE alert_commands SET applied_at = now(), outcome = 'not_open' WHERE sensor_id = $1 AND applied_at IS NULL`,
    [id],
  );
}

/** Resolves the sensor's open alert rows. @returns how many there were. */
export async function endRows(ask: Query, id: number, reason: 'manual' | 'retired'): Promise<number> {
  const ended = await ask(
    `UPDATE sensor_alerts SET resolved_at = greatest(now(), time), resolve_reason = $2
      WHERE sensor_id = $1 AND resolved_at IS NULL RETURNING 1`,
    [id, reason],
  );
  return ended.length;
}

async function closeSensor(ask: Query, id: number, targetId: number | null, key: string): Promise<void> {
  const fate = targetId === null ? 'forgotten' : 'merged with another one';
  await endStates(ask, id, { reason: 'manual', text: `closed: sensor ${key} was ${fate}` });
  if (targetId !== null)
    await ask('UPDATE sensor_aliases SET sensor_id = $2 WHERE sensor_id = $1', [id, targetId]);
  await ask('UPDATE sensor_changes SET target_id = $2 WHERE target_id = $1 AND sensor_id <> $1', [
    id,
    targetId,
  ]);
  await ask('DELETE FROM sensors WHERE id = $1', [id]);
}

/** Alert rows go with their sensor; of two that were raised at once the one that is there stays. */
async function closedBy(ask: Query, id: number, targetId: number | null): Promise<number> {
  const closed = await endRows(ask, id, 'manual');
  if (targetId !== null)
    await ask(
      `UPDATE sensor_alerts a SET sensor_id = $2 WHERE sensor_id = $1 AND NOT EXISTS (SELECT FROM sensor_alerts n
        WHERE n.sensor_id = $2 AND n.time = a.time AND n.metric = a.metric AND n.kind = a.kind AND n.side = a.side)`,
      [id, targetId],
    );
  await ask('DELETE FROM sensor_alerts WHERE sensor_id = $1', [id]);
  return closed;
}

/** A change whose readings are not all moved or deleted yet. */
export interface PendingMove {
  readonly seq: string;
  readonly key: string;
  readonly sensorId: number;
  readonly targetId: number | null;
  /** The key of the other sensor; null when it is gone itself. */
  readonly targetKey: string | null;
}

export const pendingMoves = (client: pg.ClientBase): Promise<PendingMove[]> =>
  queryOf(client)<PendingMove>(
    `SELECT c.seq::text, c.key, c.sensor_id AS "sensorId", c.target_id AS "targetId",
            (SELECT s.key FROM sensors s WHERE s.id = c.target_id) AS "targetKey"
       FROM sensor_changes c WHERE c.moved_at IS NULL ORDER BY c.seq`,
  );

export interface MoveOutcome {
  /** Rows of the sensor that are gone from its id. */
  readonly rows: number;
  /** Rows among them that the other sensor had with other values: one dead letter lists them. */
  readonly conflicts: number;
}

/** The second step: the readings of one change, chunk by chunk. */
export async function moveReadings(client: pg.ClientBase, move: PendingMove): Promise<MoveOutcome> {
  const ask = queryOf(client);
  let rows = 0;
  let letter = new MergeLetter();
  for (const table of HYPERTABLES)
    for (const range of await chunksOf(ask, table, move.sensorId)) {
      const done = await again(() => moveChunk(ask, client, { table, move, range, letter }));
      rows += done.rows;
      letter = done.letter;
    }
  await ask('UPDATE sensor_changes SET moved_at = now() WHERE seq = $1::bigint', [move.seq]);
  return { rows, conflicts: letter.count };
}

const MOST_TRIES = 10;

/** A daemon that stores readings of the same chunk meanwhile, or its compression, conflicts for a moment only. */
async function again<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await run();
    } catch (error) {
      if (tries >= MOST_TRIES || !['23505', '40001', '40P01'].includes(codeOf(error) ?? '')) throw error;
    }
  }
}

type ChunkRange = readonly [from: string, to: string];

async function chunksOf(ask: Query, table: string, sensorId: number): Promise<ChunkRange[]> {
  const rows = await ask<{ from: string; to: string }>(
    `SELECT c.range_start::text AS from, c.range_end::text AS to FROM timescaledb_information.chunks c,
       (SELECT min(time) AS first, max(time) AS last FROM ${table} WHERE sensor_id = $2) r
      WHERE c.hypertable_schema = current_schema() AND c.hypertable_name = $1
        AND c.range_end > r.first AND c.range_start <= r.last ORDER BY c.range_start`,
    [table, sensorId],
  );
  return rows.map(({ from, to }) => [from, to]);
}

interface ChunkMove {
  readonly table: keyof typeof TABLES;
  readonly move: PendingMove;
  readonly range: ChunkRange;
  /** The dead letter of the chunks before. */
  readonly letter: MergeLetter;
}

async function moveChunk(
  ask: Query,
  client: pg.ClientBase,
  chunk: ChunkMove,
): Promise<{ readonly rows: number; readonly letter: MergeLetter }> {
  const { table, move, range } = chunk;
  // One snapshot: a reading of the other sensor that comes in between makes it fail, and it is done again.
  const begin =
    'BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL timescaledb.max_tuples_decompressed_per_dml_transaction = 0; SET LOCAL statement_timeout = 0';
  return inTransaction(
    client,
    async () => {
      const letter = move.targetId === null ? chunk.letter : await keepConflicts(ask, chunk);
      if (move.targetId !== null) await copyRows(ask, chunk);
      const { rowCount } = await client.query(
        `DELETE FROM ${table} WHERE sensor_id = $1 AND time >= $2::timestamptz AND time < $3::timestamptz`,
        [move.sensorId, ...range],
      );
      return { rows: rowCount ?? 0, letter };
    },
    begin,
  );
}

const within = (alias: string): string =>
  `${alias}.time >= $3::timestamptz AND ${alias}.time < $4::timestamptz`;
const sameKey = (table: keyof typeof TABLES): string =>
  table === 'sensor_metrics' ? 'n.time = o.time AND n.metric_id = o.metric_id' : 'n.time = o.time';

/** Values of a row, by the names of metrics. */
const valuesOf = (table: keyof typeof TABLES, row: 'o' | 'n'): string =>
  table === 'sensor_metrics'
    ? `jsonb_build_object(coalesce((SELECT name FROM metrics WHERE id = ${row}.metric_id), 'metric ' || ${row}.metric_id), ${row}.value)`
    : `jsonb_strip_nulls(to_jsonb(${row}) - 'time' - 'sensor_id')`;

/** Writes rows that differ from the other sensor's at the same time into the dead letter of the merge, in place of its former text. */
async function keepConflicts(ask: Query, { table, move, range, letter }: ChunkMove): Promise<MergeLetter> {
  const { sensorId, targetId, targetKey, key } = move;
  const rows = await ask<MergeConflict & { readonly count: number }>(
    `SELECT to_char(o.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time, ${valuesOf(table, 'o')} AS sent,
            ${valuesOf(table, 'n')} AS stored, count(*) OVER ()::int AS count
       FROM ${table} o JOIN ${table} n ON n.sensor_id = $2 AND ${sameKey(table)} AND ${within('n')}
      WHERE o.sensor_id = $1 AND ${within('o')} AND ${differs(table)} ORDER BY o.time LIMIT $5`,
    // One at least, for its count.
    [sensorId, targetId, ...range, Math.max(1, letter.room)],
  );
  const [first] = rows;
  if (first === undefined) return letter;
  const grown = letter.with({ count: first.count, first: rows });
  await ask(
    `INSERT INTO dead_letters (id, received_at, topic, payload, reason, detail) VALUES ($1, $2, $3, $4, 'merge_conflict', $5)
     ON CONFLICT (id, received_at) DO UPDATE SET payload = excluded.payload, detail = excluded.detail`,
    [grown.id, grown.receivedAt, key, grown.payload, grown.detailOf(key, targetKey ?? `sensor ${targetId}`)],
  );
  return grown;
}

/** Rows whose time is free go to the other sensor. */
async function copyRows(ask: Query, { table, move, range }: ChunkMove): Promise<void> {
  const { columns } = TABLES[table];
  const names = [...(table === 'sensor_metrics' ? ['metric_id'] : []), ...columns];
  await ask(
    `INSERT INTO ${table} (time, sensor_id, ${names.join(', ')})
     SELECT o.time, $2, ${names.map((name) => `o.${name}`).join(', ')} FROM ${table} o
      WHERE o.sensor_id = $1 AND ${within('o')}
        AND NOT EXISTS (SELECT FROM ${table} n WHERE n.sensor_id = $2 AND ${sameKey(table)} AND ${within('n')})`,
    [move.sensorId, move.targetId, ...range],
  );
}

export const queryOf =
  (client: pg.ClientBase): Query =>
  async <Row>(text: string, values?: unknown[]) =>
    (await client.query(text, values)).rows as Row[];
