import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTick } from 'node:timers/promises';
import type { BatchOperation } from 'classic-level';
import { NO_WATERMARKS, type Watermarks } from '../../core/alert/engine/watermarks.ts';
import { EMPTY_ALERT_BATCH } from '../../core/alert/model.ts';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { SerialQueue } from '../../lib/serial-queue.ts';
import type { Logger } from '../../ports/metrics.ts';
import {
  itemsOfRecord,
  type Spool,
  type SpoolAmount,
  type SpoolContents,
  type SpooledRecord,
  type SpoolLane,
  type SpoolRecord,
} from '../../ports/spool.ts';
import type { Clock } from '../../ports/time.ts';
import { SpoolAccount } from './account.ts';
import { DiskReserve } from './disk-reserve.ts';
import { type LevelStore, codeOf, spoolError } from './open-level.ts';
import { openStore, stateBefore } from './open-store.ts';
import {
  decode,
  encode,
  keyOf,
  NOTHING,
  notifiedKeyOf,
  PARKED_RANGE,
  parkedKeyOf,
  parseKey,
  plus,
  rangeOf,
  type RecordKey,
} from './record.ts';
import { LogKeeper, type Scan } from './scan.ts';
import { Sentinel, writeSpoolId } from './sentinel.ts';
import { makeUsable } from './usable-files.ts';
import { WatermarkLog } from './watermark-log.ts';

export interface SpoolOptions {
  readonly folder: string;
  readonly maxBytes: number;
  /** Age of the oldest record at which the spool takes no more. */
  readonly maxAgeMs: number;
}

export interface SpoolDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** When an earlier process wrote a record of this time; undefined where its clock may have been wrong. */
  readonly writtenAtMs?: ((atMs: number) => number | undefined) | undefined;
}

/** Encoded bytes after which the loop yields. */
const TURN_BYTES = 256 * 1024;

type Stored = SpooledRecord & { readonly key: RecordKey };
type Operation = BatchOperation<LevelStore, string, Uint8Array>;

/** Rejects with SPOOL_LOCKED when another daemon has the folder, SPOOL_IO when it cannot be used. */
export async function openSpool(options: SpoolOptions, deps: SpoolDeps): Promise<Spool> {
  const spool = new LevelSpool(options, deps);
  await spool.open();
  return spool;
}

/**
 * The spool in LevelDB. One operation at a time. After a failure LevelDB refuses all writes until it is opened again:
 * so every failure closes it, and the next operation opens it anew.
 */
class LevelSpool implements Spool {
  readonly #options: SpoolOptions;
  readonly #deps: SpoolDeps;
  readonly #room: DiskReserve;
  readonly #sentinel: Sentinel;
  readonly #watermarks: WatermarkLog;
  #level: LevelStore | undefined;
  #closed = false;
  #repair = false;
  readonly #queue = new SerialQueue();
  readonly #account = new SpoolAccount();
  #opened = false;
  readonly #madeAt: { readonly wallMs: number; readonly monotonicMs: number };
  #spoolId = '';

  constructor(options: SpoolOptions, deps: SpoolDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#madeAt = { wallMs: deps.clock.nowMs(), monotonicMs: deps.clock.monotonicMs() };
    this.#room = new DiskReserve(options.folder);
    this.#sentinel = new Sentinel(options.folder);
    this.#watermarks = new WatermarkLog(deps.logger);
  }

  open(): Promise<void> {
    return this.#enqueue(async () => undefined);
  }

  get contents(): SpoolContents {
    return this.#account.contents;
  }

  append(
    records: readonly SpoolRecord[],
    evaluated: Watermarks = NO_WATERMARKS,
  ): Promise<readonly SpooledRecord[]> {
    return this.#enqueue(async (level) => {
      const atMs = this.#deps.clock.nowMs();
      const { next } = this.#account;
      const added: { readonly value: Buffer; readonly stored: Stored }[] = [];
      for (const record of records) {
        const value = encode(record);
        const { lane } = record;
        const key = { lane, seq: next[lane]++, atMs, items: itemsOfRecord(record), bytes: value.length };
        added.push({ value, stored: { ...record, seq: key.seq, notified: false, key } });
        // One message may make a record of many megabytes, and its alerts another.
        if (value.length > TURN_BYTES) await nextTick();
      }
      await this.#needRoom(added.reduce((sum, { value }) => sum + value.length, 0));
      const { operations, written } = await this.#watermarks.adding(level, evaluated);
      await this.#write(level, [
        ...added.map(({ value, stored }) => ({ type: 'put', key: keyOf(stored.key), value }) as const),
        ...operations,
      ]);
      await this.#note(
        added.map(({ stored }) => stored.key),
        [],
      );
      written();
      for (const { stored } of added) this.#account.added(stored.key);
      return added.map(({ stored }) => stored);
    });
  }

  watermarks(): Promise<Watermarks> {
    return this.#enqueue((level) => this.#watermarks.read(level));
  }

  forgetWatermarks(): Promise<void> {
    return this.#enqueue((level) => this.#watermarks.clear(level));
  }

  oldest(lane: SpoolLane, most: Partial<SpoolAmount>): Promise<readonly SpooledRecord[]> {
    return this.#enqueue(async (level) => {
      for (;;) {
        const { found, damaged } = await this.#read(level, lane, most);
        if (found.length > 0 || damaged === undefined) return found;
        await this.#setAside(level, damaged.key, damaged.value);
      }
    });
  }

  remove(records: readonly SpooledRecord[]): Promise<void> {
    return this.#enqueue(async (level) => {
      const stored = records as readonly Stored[];
      await this.#note(
        [],
        stored.map(({ key }) => key),
      );
      await this.#write(
        level,
        stored.flatMap(({ key }) => removal(key)),
      );
      for (const { key } of stored) this.#account.removed(key);
      await this.#tidy(level);
    });
  }

  markNotified(record: SpooledRecord): Promise<void> {
    // No fsync: it survives the process, and after a machine failure a line may be published twice.
    return this.#enqueue((level) => level.put(notifiedKeyOf(record.seq), new Uint8Array()));
  }

  park(record: SpooledRecord): Promise<void> {
    return this.#enqueue(async (level) => {
      const { key, ...plain } = record as Stored;
      const { lane, id, readings, deadLetters, alerts, clock } = plain;
      // Published or not, they are not published again.
      const rest = { ...EMPTY_ALERT_BATCH, raised: alerts.raised, resolved: alerts.resolved };
      const value = encode({ lane, id, readings, deadLetters, alerts: rest, clock });
      const parked = { ...key, bytes: value.length };
      await this.#write(level, [...removal(key), { type: 'put', key: parkedKeyOf(parked), value }]);
      this.#account.removed(key);
      this.#account.parked(parked);
      await this.#note();
    });
  }

  unpark(): Promise<void> {
    return this.#enqueue(async (level) => {
      for await (const [text, value] of level.iterator(PARKED_RANGE)) {
        const key = parseKey(text)?.key;
        if (key === undefined) continue;
        const back = { ...key, seq: this.#account.next[key.lane] };
        this.#account.unparked(key);
        await this.#note();
        await this.#write(level, [
          { type: 'del', key: text },
          { type: 'put', key: keyOf(back), value },
        ]);
        this.#account.added(back);
        await this.#note();
      }
    });
  }

  /** Idempotent; waits for the operation under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue.idle();
    await this.#shut();
  }

  #enqueue<T>(run: (level: LevelStore) => Promise<T>): Promise<T> {
    return this.#queue.run(() => this.#run(run));
  }

  async #run<T>(run: (level: LevelStore) => Promise<T>): Promise<T> {
    if (this.#closed) {
      throw new FieldwatchError('the spool is closed', { code: 'SPOOL_CLOSED', kind: 'bug' });
    }
    try {
      return await run(await this.#need());
    } catch (error) {
      if (!(error instanceof FieldwatchError)) {
        this.#repair = codeOf(error) === 'LEVEL_CORRUPTION';
        await this.#shut();
        await this.#room.release().catch(() => undefined);
      }
      throw spoolError(error, this.#options.folder);
    }
  }

  async #need(): Promise<LevelStore> {
    if (this.#level !== undefined) return this.#level;
    const { folder } = this.#options;
    await makeUsable(folder, this.#deps.logger);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const logs = new LogKeeper(folder);
    await logs.keep();
    // Opened again, what this process knows is exact; the file may say already what it failed to do.
    const exact = this.#opened ? this.#account.noted(this.#spoolId) : undefined;
    const before = await stateBefore(folder, this.#sentinel, exact);
    const { level, found } = await openStore(before, {
      folder,
      deps: this.#deps,
      how: this.#repair ? 'repair' : 'open',
      next: before.again ? this.#account.next : {},
      releaseRoom: () => this.#room.release(),
    });
    this.#level = level;
    this.#repair = false;
    if (found.unsure.length > 0) await level.batch(found.unsure.flatMap(removal), { sync: true });
    await this.#watermarks.open(level, before.again);
    this.#account.opened(found);
    this.#opened = true;
    this.#spoolId = before.spoolId;
    if (before.sentinelFault !== undefined)
      this.#deps.logger.error(
        { folder, sentinel: before.sentinelFault },
        'spool: sentinel unusable, missing records not detectable at this start',
      );
    this.#lost(before.gone, 'another folder is in its place');
    if (found.missing.records === 0) {
      await logs.discard();
    } else {
      await logs.preserve();
      this.#lost(found.missing, 'its files were damaged or removed; what is left of its log is set aside');
    }
    await this.#note();
    // The sentinel first: a folder without a name is taken for none that is noted.
    if (!before.named) await writeSpoolId(folder, before.spoolId);
    await this.#sentinel.removeFormer();
    return level;
  }

  /** To the sentinel, on disk for good: what the store holds, with these more and these less. */
  #note(more: readonly RecordKey[] = [], less: readonly RecordKey[] = []): Promise<void> {
    return this.#sentinel.write(this.#account.noted(this.#spoolId, more, less));
  }

  async #shut(): Promise<void> {
    const level = this.#level;
    this.#level = undefined;
    await level?.close().catch(() => undefined);
    await this.#sentinel.close();
  }

  /** No longer than this process knows of: the clock may have been set since the record was written. */
  #ageOf(atMs: number): number {
    const { clock } = this.#deps;
    const { wallMs, monotonicMs } = this.#madeAt;
    const { writtenAtMs = () => atMs } = this.#deps;
    const writtenMs = atMs < wallMs ? writtenAtMs(atMs) : wallMs;
    const before = writtenMs === undefined ? 0 : Math.max(0, wallMs - writtenMs);
    return Math.min(clock.nowMs() - atMs, before + clock.monotonicMs() - monotonicMs);
  }

  async #needRoom(bytes: number): Promise<void> {
    const { maxBytes, maxAgeMs } = this.#options;
    const held = this.#account.bytes + this.#watermarks.bytes;
    if (held + bytes > maxBytes)
      throw full(`it holds ${held} of ${maxBytes} bytes`, 'Raise spool.max_bytes.');
    const oldest = this.#account.contents.oldestAtMs;
    if (oldest !== undefined && this.#ageOf(oldest) > maxAgeMs)
      throw full('its oldest record is older than spool.max_age', 'Raise spool.max_age.');
    if (!(await this.#room.has(bytes)))
      throw full('the disk of state_dir is full', 'Make room on that disk.');
  }

  /**
   * Up to the first record that is damaged; that one is dealt with when it is the oldest. From where the lane begins: before
   * it lie the marks of what was deleted, which LevelDB would pass over one by one.
   */
  async #read(level: LevelStore, lane: SpoolLane, most: Partial<SpoolAmount>) {
    const found: Stored[] = [];
    let amount = NOTHING;
    const range = rangeOf(lane, this.#account.headOf(lane));
    for await (const [text, value] of level.iterator({ ...range, highWaterMarkBytes: 65_536 })) {
      const key = parseKey(text)?.key;
      if (key !== undefined) amount = plus(amount, key);
      if (found.length > 0 && exceeds(amount, most)) break;
      const record = key === undefined ? undefined : decode(value);
      if (key === undefined || record === undefined) return { found, damaged: { key: text, value } };
      const notified = lane === 'alerts' && (await level.get(notifiedKeyOf(key.seq))) !== undefined;
      found.push({ ...record, seq: key.seq, notified, key });
    }
    return { found, damaged: undefined };
  }

  async #setAside(level: LevelStore, text: string, value: Uint8Array): Promise<void> {
    const file = join(this.#options.folder, 'damaged', `${text.replaceAll(':', '-')}.bin`);
    try {
      await mkdir(join(this.#options.folder, 'damaged'), { recursive: true });
      await writeFile(file, value);
    } catch (error) {
      this.#deps.logger.warn({ file, error: messageOf(error) }, 'spool: damaged record not saved');
    }
    const key = parseKey(text)?.key;
    if (key !== undefined) await this.#note([], [key]);
    await level.batch([{ type: 'del', key: text }], { sync: true });
    if (key !== undefined) this.#account.damaged(key);
    this.#deps.logger.error({ file, items: key?.items }, 'spool: damaged record skipped and saved aside');
  }

  #lost(missing: Scan['missing'], why: string): void {
    const { records, items } = missing;
    if (records === 0) return;
    this.#account.lost(missing);
    this.#deps.logger.error(
      { records, items, folder: join(this.#options.folder, 'damaged'), error: why },
      'spool: records lost',
    );
  }

  #write(level: LevelStore, operations: Operation[]): Promise<void> {
    return level.batch(operations, { sync: true });
  }

  /** Deleting frees nothing until LevelDB compacts: once all is drained a compaction is requested. */
  async #tidy(level: LevelStore): Promise<void> {
    if (!this.#account.isDrained) return;
    if (!this.#account.hasParked) await this.#watermarks.clear(level);
    await level.compactRange('', '~').catch(() => undefined);
  }
}

const removal = (key: RecordKey): Operation[] => [
  { type: 'del', key: keyOf(key) },
  ...(key.lane === 'alerts' ? [{ type: 'del', key: notifiedKeyOf(key.seq) } as const] : []),
];

const exceeds = (amount: SpoolAmount, most: Partial<SpoolAmount>): boolean =>
  amount.records > (most.records ?? Infinity) ||
  amount.items > (most.items ?? Infinity) ||
  amount.bytes > (most.bytes ?? Infinity);

const full = (why: string, remedy: string) =>
  new FieldwatchError(`the spool is full: ${why}`, { code: 'SPOOL_FULL', kind: 'transient', remedy });
