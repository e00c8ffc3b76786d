import { deserialize, serialize } from 'node:v8';
import type { BatchOperation } from 'classic-level';
import { type Watermarks, newestWatermarks } from '../../core/alert/engine/watermarks.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { LevelStore } from './open-level.ts';
import { seal, unseal } from './record.ts';

type Operation = BatchOperation<LevelStore, string, Uint8Array>;

const LETTER = 'w';
const RANGE = { gte: LETTER, lt: `${LETTER};` } as const;
const keyOf = (seq: number) => `${LETTER}${String(seq).padStart(14, '0')}`;

/** As much is appended before all is made one. */
const MERGE_BYTES = 256 * 1024;

/**
 * Up to where the series were evaluated whose readings lie in the spool. Each append adds what it moved, in its own batch: so
 * a record and its watermarks are there or not, together. Once there is more of it than of series, it is made one again.
 */
export class WatermarkLog {
  private readonly logger: Logger;
  private keys: string[] = [];
  private next = 1;
  private mergedBytes = 0;
  private loggedBytes = 0;
  /** The watermarks read last, while they hold. */
  private known: Watermarks | undefined;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  get bytes(): number {
    return this.mergedBytes + this.loggedBytes;
  }

  /** After the store was opened. `again`: by a process that knows where the log ends; what lies behind failed. */
  async open(level: LevelStore, again: boolean): Promise<void> {
    const keys = await level.keys(RANGE).all();
    this.known = undefined;
    const end = keyOf(this.next);
    const failed = again ? keys.filter((key) => key >= end) : [];
    if (failed.length > 0)
      await level.batch(
        failed.map((key) => ({ type: 'del', key })),
        { sync: true },
      );
    this.keys = again ? keys.filter((key) => key < end) : keys;
    if (!again) this.next = Number(this.keys.at(-1)?.slice(LETTER.length) ?? 0) + 1;
  }

  /** Operations that belong into the batch of an append. It counts once `written` is called. */
  async adding(
    level: LevelStore,
    more: Watermarks,
  ): Promise<{ operations: Operation[]; written: () => void }> {
    if (more.sensorIds.length === 0) return { operations: [], written: () => undefined };
    const key = keyOf(this.next);
    const merges = this.loggedBytes > MERGE_BYTES + this.mergedBytes;
    const value = seal(serialize(merges ? newestWatermarks([await this.read(level), more]) : more));
    const gone = merges ? this.keys : [];
    return {
      operations: [{ type: 'put', key, value }, ...gone.map((each) => ({ type: 'del', key: each }) as const)],
      written: () => {
        this.next++;
        this.known = undefined;
        this.keys = merges ? [key] : [...this.keys, key];
        this.mergedBytes = merges ? value.length : this.mergedBytes;
        this.loggedBytes = merges ? 0 : this.loggedBytes + value.length;
      },
    };
  }

  async read(level: LevelStore): Promise<Watermarks> {
    if (this.known !== undefined) return this.known;
    const found: Watermarks[] = [];
    for await (const [key, value] of level.iterator(RANGE)) {
      const body = unseal(value);
      if (body !== undefined) found.push(deserialize(body) as Watermarks);
      else this.logger.error({ key }, 'spool: watermarks damaged, alerts may be repeated');
    }
    this.known = newestWatermarks(found);
    return this.known;
  }

  /** No fsync: what remains after a crash adds nothing to what the database has. */
  async clear(level: LevelStore): Promise<void> {
    if (this.keys.length === 0) return;
    await level.batch(this.keys.map((key) => ({ type: 'del', key })));
    [this.keys, this.mergedBytes, this.loggedBytes, this.known] = [[], 0, 0, undefined];
  }
}
