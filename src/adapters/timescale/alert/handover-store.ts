import type pg from 'pg';
import {
  type HandoverReading,
  decodeHandover,
  eachHandoverTime,
  encodeHandover,
} from '../../../core/alert/cluster/handover-record.ts';
import { SHARDS, shardOf } from '../../../core/alert/cluster/shard.ts';
import type { HandoverPage, HandoverStore, HandoverStretch } from '../../../ports/handover.ts';
import { databaseError } from '../errors.ts';
import { isoMicros } from '../values.ts';

/** On which owners wait for their handover; the payload is the group. */
export const HANDOVER_CHANNEL = 'fieldwatch_handover';

/** Time of arrival that one row covers. */
const ROW_MS = 5000;
const MAX_ROWS = 500;
const OLDEST = `
SELECT id, shard, record FROM (
  SELECT id, shard, received_s, record, sum(readings) OVER (ORDER BY received_s, id) - readings AS before FROM (
    SELECT id, shard, readings, received_s, record FROM alert_handover
     WHERE group_name = $1 AND shard = ANY ($2::smallint[]) ORDER BY received_s, id LIMIT ${MAX_ROWS}) q) r
 WHERE before < $3 ORDER BY received_s, id`;

/** Bounded, so that a backlog of hours is not in memory at once. */
const RECORDS_AFTER = `
SELECT id, record FROM alert_handover WHERE group_name = $1 AND shard = ANY ($2::smallint[]) AND id > $3::bigint
 ORDER BY id LIMIT ${MAX_ROWS}`;
const WAITING =
  'SELECT coalesce(sum(readings), 0)::float8 AS waiting FROM alert_handover WHERE group_name = $1';

/** Readings that wait for the owners of shards; written and deleted by `writeShards`. */
export class TimescaleHandoverStore implements HandoverStore {
  readonly #db: Pick<pg.Pool, 'query'>;

  constructor(db: Pick<pg.Pool, 'query'>) {
    this.#db = db;
  }

  async read(group: string, shards: readonly number[], most: number): Promise<HandoverPage> {
    const rows = await this.#rows<{ id: string; shard: number; record: Buffer }>(OLDEST, [
      group,
      shards,
      most,
    ]);
    const found = rows.map(({ id, shard, record }) => ({ id, shard, readings: decodeHandover(record) }));
    const readings = found.reduce((sum, row) => sum + row.readings.length, 0);
    return { rows: found, more: rows.length >= MAX_ROWS || readings >= most };
  }

  async after(group: string, shards: readonly number[], afterId: string): Promise<HandoverStretch> {
    const rows = await this.#rows<{ id: string; record: Buffer }>(RECORDS_AFTER, [group, shards, afterId]);
    const readings = rows.flatMap(({ record }) => decodeHandover(record));
    return { readings, lastId: rows.at(-1)?.id ?? afterId, more: rows.length >= MAX_ROWS };
  }

  async earliest(group: string, shards: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const earliest = new Map<number, number>();
    for (let after = '0'; ;) {
      const rows = await this.#rows<{ id: string; record: Buffer }>(RECORDS_AFTER, [group, shards, after]);
      for (const { record } of rows)
        eachHandoverTime(record, (sensorId, timeUs) => {
          if (timeUs < (earliest.get(sensorId) ?? Infinity)) earliest.set(sensorId, timeUs);
        });
      const last = rows.at(-1);
      if (last === undefined || rows.length < MAX_ROWS) return earliest;
      after = last.id;
    }
  }

  async waiting(group: string): Promise<number> {
    const [row] = await this.#rows<{ waiting: number }>(WAITING, [group]);
    return row?.waiting ?? 0;
  }

  /** Deletes rows of a group that has no member any more, in a bounded slice; true when there may be more. */
  async prune(olderThanMs: number, slice = 10_000): Promise<boolean> {
    const rows = await this.#rows(
      `DELETE FROM alert_handover WHERE id IN (
         SELECT id FROM alert_handover WHERE created_at < $1::timestamptz LIMIT $2) RETURNING 1`,
      [isoMicros(olderThanMs * 1000), slice],
    );
    return rows.length >= slice;
  }

  async #rows<Row extends pg.QueryResultRow>(text: string, values: unknown[]): Promise<Row[]> {
    try {
      return (await this.#db.query<Row>(text, values)).rows;
    } catch (error) {
      throw databaseError(error, 'the readings that are handed over');
    }
  }
}

/**
 * Rows as they are written: one for each shard, so that a shard may change its owner meanwhile, and for so much of the time in
 * which they were received: of what drains, the owner reads the rows of all members in that order.
 */
export interface HandoverRecords {
  readonly shards: Int32Array;
  readonly readings: Int32Array;
  /** When the first of them was received. */
  readonly receivedS: Float64Array;
  readonly records: readonly Uint8Array[];
}

export function handoverRecords(readings: readonly HandoverReading[]): HandoverRecords {
  const rows = new Map<number, HandoverReading[]>();
  for (const reading of readings) {
    const row = Math.floor(reading.receivedAtMs / ROW_MS) * SHARDS + shardOf(reading.sensorId);
    const found = rows.get(row);
    if (found === undefined) rows.set(row, [reading]);
    else found.push(reading);
  }
  const first = (row: readonly HandoverReading[]) => Math.floor((row[0]?.receivedAtMs ?? 0) / 1000);
  return {
    shards: Int32Array.from(rows.keys(), (row) => row % SHARDS),
    readings: Int32Array.from(rows.values(), ({ length }) => length),
    receivedS: Float64Array.from(rows.values(), first),
    records: Array.from(rows.values(), encodeHandover),
  };
}
