import { LeaseLost } from '../../../core/alert/cluster/shard-lease.ts';
import type { AlertBatch } from '../../../core/alert/model.ts';
import { HANDOVER_CHANNEL, handoverRecords } from './handover-store.ts';
import { refuseVanished } from '../ingest/relied-on.ts';
import type { Work } from '../connection/session.ts';
import { binaryArray, binaryBytes } from '../values.ts';

/** Shard writes of a batch of a member of a share group. */
export type ShardWrites = Pick<AlertBatch, 'forwarded' | 'dequeued' | 'fence'>;

interface Answer {
  readonly handed: number;
  readonly kept: number;
  readonly shards: readonly number[] | null;
}

/**
 * Hands readings over in the transaction that stores them, deletes handed-over readings in the one that writes their result,
 * and locks the rows of the shards as the fence: until COMMIT, so an acquirer of one of these shards waits for this
 * transaction, or this one finds another token. Last in the transaction, so that no member waits long to acquire them.
 *
 * One statement: at a hundred batches a second each further round trip costs more than its content.
 */
export async function writeShards(work: Work, { forwarded, dequeued, fence }: ShardWrites): Promise<void> {
  const statement = new Statement(forwarded?.group ?? fence?.group ?? '');
  const records = handoverRecords(forwarded?.readings ?? []);
  const sent = records.shards.length;
  if (sent > 0) statement.handOver(records);
  if (dequeued !== undefined && dequeued.length > 0) statement.dequeue(dequeued);
  const asked = fence?.shards ?? [];
  if (asked.length > 0) statement.fence(asked);
  if (statement.isEmpty) return;
  const { rows } = await work.query<Answer>(statement.text, statement.values);
  const { handed = 0, kept = 0, shards = null } = rows[0] ?? {};
  refuseVanished('alert_handover', sent, handed);
  if (kept === asked.length) return;
  const stillOwned = new Set(shards);
  const lost = asked.filter(([shard]) => !stillOwned.has(shard)).map(([shard]) => shard);
  throw new LeaseLost(fence?.group ?? '', [...new Set(lost)]);
}

/** Only the parts that are needed: planning the others costs as much as running them. */
class Statement {
  readonly values: unknown[];
  private readonly parts: string[] = [];
  private readonly answers: string[] = [];

  constructor(group: string) {
    // As bytes: what replaces text that the encoding of the database lacks leaves it alone.
    this.values = [Buffer.from(group, 'utf8')];
  }

  get isEmpty(): boolean {
    return this.parts.length === 0;
  }

  get text(): string {
    return `WITH the (group_name) AS (SELECT $1::text), ${this.parts.join(', ')} SELECT ${this.answers.join(', ')}`;
  }

  /** Owners are woken with the COMMIT; a lost notification costs them the time until their next poll. */
  handOver({ shards, readings, receivedS, records }: ReturnType<typeof handoverRecords>): void {
    const columns = [
      this.next(binaryArray(shards)),
      this.next(binaryArray(readings)),
      this.next(binaryArray(receivedS)),
      this.next(binaryBytes(records)),
    ];
    this.parts.push(
      `handed AS (INSERT INTO alert_handover (group_name, shard, readings, received_s, record)
         SELECT the.group_name, h.shard, h.readings, h.received_s, h.record
           FROM the, unnest(${columns[0]}::int[], ${columns[1]}::int[], ${columns[2]}::float8[], ${columns[3]}::bytea[])
             AS h (shard, readings, received_s, record)
         RETURNING 1)`,
    );
    this.answers.push(
      '(SELECT count(*)::int FROM handed) AS handed',
      `(SELECT pg_notify('${HANDOVER_CHANNEL}', group_name) FROM the)`,
    );
  }

  dequeue(ids: readonly string[]): void {
    this.parts.push(`gone AS (DELETE FROM alert_handover WHERE id = ANY (${this.next(ids)}::bigint[]))`);
  }

  /** In the order of the shards, so that two sessions never wait for each other crosswise. */
  fence(asked: readonly (readonly [shard: number, epoch: number])[]): void {
    const shards = this.next(binaryArray(Int32Array.from(asked, ([shard]) => shard)));
    const epochs = this.next(binaryArray(Float64Array.from(asked, ([, epoch]) => epoch)));
    this.parts.push(
      `kept AS (SELECT s.shard
          FROM alert_shards s JOIN unnest(${shards}::int[], ${epochs}::float8[]) AS w (shard, epoch)
            ON s.shard = w.shard AND s.epoch = w.epoch::bigint
         WHERE s.group_name = $1::text ORDER BY s.shard FOR SHARE OF s)`,
    );
    this.answers.push(
      '(SELECT count(*)::int FROM kept) AS kept',
      `(SELECT CASE WHEN count(*) < ${asked.length} THEN json_agg(shard) END FROM kept) AS shards`,
    );
  }

  private next(value: unknown): string {
    return `$${this.values.push(value)}`;
  }
}
