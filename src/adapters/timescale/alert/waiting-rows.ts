import type pg from 'pg';
import { shardOf } from '../../../core/alert/cluster/shard.ts';
import {
  type WaitingColumns,
  type WaitingRow,
  eachWaiting,
  waitingColumns,
} from '../../../core/alert/engine/waiting.ts';
import { refuseVanished } from '../ingest/relied-on.ts';
import type { Work } from '../connection/session.ts';
import { binaryArray, storableText } from '../values.ts';

/** The log of what waits for earlier readings, `alert_watermarks`: columns as arrays. */

/** A row with what evaluated its batch, in the same transaction; earlier ones go where it takes their place. */
export async function writeWaiting(work: Work, row: WaitingRow): Promise<void> {
  const { group, writer, replaces, shards, columns } = row;
  const { last, fromUs, untilUs, unstored } = columns;
  const values = [
    // The group as bytes: what replaces text that the encoding of the database lacks leaves it alone.
    ...[Buffer.from(group, 'utf8'), writer, maskOf(shardsOf(last.sensorIds)), last.metrics.map(storableText)],
    ...[last.sensorIds, last.metricAt, last.timesUs, last.values, fromUs, untilUs].map(binaryArray),
    ...[unstored.seriesAt, unstored.timesUs, unstored.values].map(binaryArray),
  ];
  const { rows, rowCount } = await work.query<{ id: string }>(
    `INSERT INTO alert_watermarks (group_name, writer, shards, metrics, sensor_ids, metric_at, last_us, last_values, from_us,
       until_us, unstored_at, unstored_us, unstored_values)
     VALUES ($1, $2, $3, $4, $5::int[], $6::int[], $7::float8[], $8::float8[], $9::float8[], $10::float8[], $11::int[],
       $12::float8[], $13::float8[]) RETURNING id::text`,
    values,
  );
  refuseVanished('alert_watermarks', 1, rowCount);
  if (replaces === undefined) return;
  const mask = shards === undefined ? ALL_SHARDS : maskOf(shards);
  const replaced = [group, rows[0]?.id, writer, replaces, mask];
  await work.query(`DELETE FROM alert_watermarks WHERE ${REPLACED} AND shards & ~ $5::bigint = 0`, replaced);
  // Rows that name series of other members' shards, too, stay for those.
  if (mask !== ALL_SHARDS)
    await work.query(
      `UPDATE alert_watermarks SET shards = shards & ~ $5::bigint WHERE ${REPLACED} AND shards & $5::bigint <> 0`,
      replaced,
    );
}

const REPLACED = 'group_name = $1 AND id < $2::bigint AND (writer = $3 OR id <= $4::bigint)';

const ALL_SHARDS = '-1';

/** A bit for each shard, in the 64 of a bigint. */
const maskOf = (shards: Iterable<number>): string => {
  let mask = 0n;
  for (const shard of shards) mask |= 1n << BigInt(shard);
  return BigInt.asIntN(64, mask).toString();
};

function shardsOf(sensorIds: Int32Array): Set<number> {
  const shards = new Set<number>();
  for (const sensorId of sensorIds) shards.add(shardOf(sensorId));
  return shards;
}

/** The entries of some shards: of the others a later row says more, or they are another member's. */
function ofShards(columns: WaitingColumns, mask: bigint): WaitingColumns {
  if (mask.toString() === ALL_SHARDS) return columns;
  const counts = (sensorId: number) => ((mask >> BigInt(shardOf(sensorId))) & 1n) === 1n;
  return waitingColumns(eachWaiting(columns).filter(({ sensorId }) => counts(sensorId)));
}

const ARRAYS = ['sensor_ids', 'metric_at', 'last_us', 'last_values', 'from_us', 'until_us', 'unstored_at', 'unstored_us', 'unstored_values'] as const; // prettier-ignore

type Stored = { readonly id: string; readonly shards: string; readonly metrics: string[] } & Readonly<
  Record<(typeof ARRAYS)[number], string>
>;

export async function readWaiting(
  db: Pick<pg.Pool, 'query'>,
  group: string,
  shards?: readonly number[],
): Promise<{ readonly rows: readonly WaitingColumns[]; readonly upTo: string }> {
  const asked = shards === undefined ? ALL_SHARDS : maskOf(shards);
  const { rows } = await db.query<Stored>(
    `SELECT id::text, shards::text, metrics, ${ARRAYS.map((name) => `${name}::text`).join(', ')}
       FROM alert_watermarks WHERE group_name = $1 AND shards & $2::bigint <> 0 ORDER BY alert_watermarks.id`,
    [group, asked],
  );
  const found = rows.map((row) => ofShards(columnsOf(row), BigInt(row.shards) & BigInt(asked)));
  return { rows: found, upTo: rows.at(-1)?.id ?? '0' };
}

const columnsOf = (row: Stored): WaitingColumns => ({
  last: {
    metrics: row.metrics,
    sensorIds: Int32Array.from(numbersOf(row.sensor_ids)),
    metricAt: Uint32Array.from(numbersOf(row.metric_at)),
    timesUs: Float64Array.from(numbersOf(row.last_us)),
    values: Float64Array.from(numbersOf(row.last_values)),
  },
  fromUs: Float64Array.from(numbersOf(row.from_us)),
  untilUs: Float64Array.from(numbersOf(row.until_us)),
  unstored: {
    seriesAt: Int32Array.from(numbersOf(row.unstored_at)),
    timesUs: Float64Array.from(numbersOf(row.unstored_us)),
    values: Float64Array.from(numbersOf(row.unstored_values)),
  },
});

const numbersOf = (text: string): readonly number[] =>
  text === '{}' ? [] : text.slice(1, -1).split(',').map(Number);
