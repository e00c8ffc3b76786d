import { SHARDS, shardOf } from '../../src/core/alert/cluster/shard.ts';
import { type WaitingRow, eachWaiting, waitingColumns } from '../../src/core/alert/engine/waiting.ts';
import type { LastReading, ReadingSpan } from '../../src/ports/alerts.ts';

const ALL = Array.from({ length: SHARDS }, (_, shard) => shard);

/** The table `alert_watermarks` in memory. */
export class WatermarkRows {
  rows: { readonly id: number; readonly row: WaitingRow; readonly shards: Set<number> }[] = [];
  private ids = 0;

  write(row: WaitingRow | undefined): void {
    if (row === undefined) return;
    const id = ++this.ids;
    const { replaces, group, writer, shards = ALL } = row;
    if (replaces !== undefined) {
      for (const each of this.rows)
        if (each.row.group === group && (each.row.writer === writer || each.id <= Number(replaces)))
          for (const shard of shards) each.shards.delete(shard);
      this.rows = this.rows.filter((each) => each.shards.size > 0);
    }
    this.rows.push({ id, row, shards: new Set(Array.from(row.columns.last.sensorIds, shardOf)) });
  }

  load(group: string, shards: readonly number[] = ALL) {
    const isAsked = (each: { readonly row: WaitingRow; readonly shards: Set<number> }) =>
      each.row.group === group && shards.some((shard) => each.shards.has(shard));
    const rows = this.rows.filter(isAsked).map(({ row, shards: named }) => {
      const counts = ({ sensorId }: { readonly sensorId: number }) =>
        named.has(shardOf(sensorId)) && shards.includes(shardOf(sensorId));
      return waitingColumns(eachWaiting(row.columns).filter(counts));
    });
    return { rows, upTo: String(this.rows.filter(isAsked).at(-1)?.id ?? 0) };
  }
}

/** As the store returns them: the order is not defined. */
export const readingsIn = (all: Iterable<LastReading>, spans: readonly ReadingSpan[]): LastReading[] =>
  [...all]
    .filter(({ sensorId, timeUs }) =>
      spans.some((span) => span.sensorId === sensorId && timeUs >= span.fromUs && timeUs <= span.toUs),
    )
    .reverse();
