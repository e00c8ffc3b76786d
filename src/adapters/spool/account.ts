import { SPOOL_LANES, type SpoolAmount, type SpoolContents, type SpoolLane } from '../../ports/spool.ts';
import { NOTHING, type RecordKey, plus } from './record.ts';
import { type Scan, oldestOf } from './scan.ts';
import type { Noted } from './sentinel.ts';

export const NONE_MISSING: Scan['missing'] = { records: 0, items: 0 };

/** Contents of the spool, in step with its keys: for limits, metrics, and the sentinel. */
export class SpoolAccount {
  #scan: Scan = {
    lanes: { alerts: NOTHING, unresolved: NOTHING, readings: NOTHING },
    parked: NOTHING,
    head: { alerts: 1, unresolved: 1, readings: 1 },
    next: { alerts: 1, unresolved: 1, readings: 1 },
    atMs: { alerts: undefined, unresolved: undefined, readings: undefined },
    missing: NONE_MISSING,
    unsure: [],
  };
  #damaged: SpoolAmount = NOTHING;
  #lostItems = 0;

  /** The store was opened, and holds this. */
  opened(scan: Scan): void {
    this.#scan = scan;
  }

  get contents(): SpoolContents {
    const { lanes, parked, atMs } = this.#scan;
    return {
      lanes: { ...lanes },
      parked,
      oldestAtMs: oldestOf(atMs),
      damaged: this.#damaged,
      lostItems: this.#lostItems,
    };
  }

  /** Bytes of all lanes and of the parked records. */
  get bytes(): number {
    const { lanes, parked } = this.#scan;
    return SPOOL_LANES.reduce((sum, lane) => sum + lanes[lane].bytes, parked.bytes);
  }

  /** No lane holds a record. */
  get isDrained(): boolean {
    return SPOOL_LANES.every((lane) => this.#scan.lanes[lane].records === 0);
  }

  get hasParked(): boolean {
    return this.#scan.parked.records > 0;
  }

  /** The next position of each lane; a copy. */
  get next(): Record<SpoolLane, number> {
    return { ...this.#scan.next };
  }

  /** Where a lane begins. */
  headOf(lane: SpoolLane): number {
    return this.#scan.head[lane];
  }

  added(key: RecordKey): void {
    const { lanes, atMs, next } = this.#scan;
    lanes[key.lane] = plus(lanes[key.lane], key);
    atMs[key.lane] ??= key.atMs;
    next[key.lane] = Math.max(next[key.lane], key.seq + 1);
  }

  removed(key: RecordKey): void {
    const { lanes, atMs, head } = this.#scan;
    lanes[key.lane] = plus(lanes[key.lane], key, -1);
    head[key.lane] = Math.max(head[key.lane], key.seq + 1);
    // The next one is hardly younger; reading it for its time alone would cost more than it gives.
    atMs[key.lane] = lanes[key.lane].records === 0 ? undefined : key.atMs;
  }

  parked(key: RecordKey): void {
    this.#scan = { ...this.#scan, parked: plus(this.#scan.parked, key) };
  }

  unparked(key: RecordKey): void {
    this.#scan = { ...this.#scan, parked: plus(this.#scan.parked, key, -1) };
  }

  /** A record that could not be decoded. */
  damaged(key: RecordKey): void {
    this.removed(key);
    this.#damaged = plus(this.#damaged, key);
  }

  /** Records that the sentinel knows of and that are not in the store. */
  lost({ records, items }: Scan['missing']): void {
    this.#lostItems += items;
    this.#damaged = { ...this.#damaged, records: this.#damaged.records + records };
  }

  /** The counts to write into the sentinel: those of the store, plus `more`, minus `less`. */
  noted(spoolId: string, more: readonly RecordKey[] = [], less: readonly RecordKey[] = []): Noted {
    const { lanes, parked } = this.#scan;
    const [head, next, amounts] = [{ ...this.#scan.head }, { ...this.#scan.next }, { ...lanes }];
    for (const key of more) {
      next[key.lane] = Math.max(next[key.lane], key.seq + 1);
      amounts[key.lane] = plus(amounts[key.lane], key);
    }
    for (const key of less) {
      head[key.lane] = Math.max(head[key.lane], key.seq + 1);
      amounts[key.lane] = plus(amounts[key.lane], key, -1);
    }
    const { alerts, unresolved, readings } = amounts;
    return {
      ...{ spoolId, head, next, parked },
      records: { alerts: alerts.records, unresolved: unresolved.records, readings: readings.records },
      items: { alerts: alerts.items, unresolved: unresolved.items, readings: readings.items },
    };
  }
}
