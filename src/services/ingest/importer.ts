import { setImmediate } from 'node:timers/promises';
import { FieldwatchError } from '../../core/errors.ts';
import { type Kept, isExpired } from '../../core/ingest/retention-filter.ts';
import { BlockReader, type ReadingBlock } from '../../core/ingest/table/reading-block.ts';
import { FILTERED_CODES, type Micros } from '../../core/reading.ts';
import { backoffMs } from '../../lib/backoff.ts';
import { type RetryPolicy, retried } from '../../lib/retry.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { ReadingStore } from '../../ports/store.ts';
import type { Clock } from '../../ports/time.ts';
import { NOTHING } from '../alert/evaluation.ts';
import { type AlertEvaluator, BatchCommit } from './batch-commit.ts';
import { IngestBatch } from './batch.ts';
import type { DeadLetterBudget } from './dead-letter-budget.ts';
import type { LetterSource } from './dead-letter.ts';
import type { OutageMonitor } from './outage-monitor.ts';
import type { SensorRegistry } from './sensor-registry.ts';

export interface ImporterDeps {
  readonly registry: SensorRegistry;
  readonly store: ReadingStore;
  readonly watch: OutageMonitor;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly deadLetters?: DeadLetterBudget | undefined;
  readonly random: () => number;
}

export interface ImporterOptions {
  /** The topic of dead letters. */
  readonly topic: string;
  /** Readings that retention would drop are left out, and counted. */
  readonly kept: Kept;
  /** Rows of a transaction. */
  readonly batchRows: number;
  /** Called after each commit, with the number of the last row of the file that is safe. */
  readonly onCommitted: (row: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Rows by what became of them. */
export interface ImportTally {
  rows: number;
  /** Readings by their outcome, as of messages. */
  stored: number;
  duplicate: number;
  merged: number;
  conflict: number;
  deadLettered: number;
  /** Rows without a value. */
  empty: number;
  /** Older than retention. */
  expired: number;
}

/** Rough memory of a batch, where rows have many values. */
const MOST_BYTES = 16 * 1024 * 1024;
/** Rows between two looks at the connection. */
const YIELD_ROWS = 500;
const RETRY = { baseMs: 500, capMs: 10_000 };
const ATTEMPTS = 8;

/** Imported rows raise no alerts. */
const WITHOUT_ALERTS: AlertEvaluator = {
  evaluates: false,
  prepare: () => Promise.resolve(),
  knows: () => true,
  evaluate: () => NOTHING,
  publish: () => undefined,
  publishUnpersisted: () => undefined,
};

/** A row of a file as the source of a dead letter: its text is made where it becomes one. */
class RowSource implements LetterSource {
  readonly topic: string;
  readonly receivedAtMs: number;
  /** A row that is imported again is the same dead letter. */
  readonly dup = true;
  readonly #rows: BlockReader;
  readonly #at: number;

  constructor({ topic, receivedAtMs }: Arrival, rows: BlockReader, at: number) {
    this.topic = topic;
    this.receivedAtMs = receivedAtMs;
    this.#rows = rows;
    this.#at = at;
  }

  get payload(): Uint8Array {
    return new TextEncoder().encode(this.#rows.payload(this.#at));
  }
}

interface Arrival {
  readonly topic: string;
  readonly receivedAtMs: number;
}

/**
 * Stores the rows of files as readings: the same registration, store, merge and dead letters as of messages. One batch is
 * committed while the next one is filled.
 */
export class Importer {
  readonly #deps: ImporterDeps;
  readonly #options: ImporterOptions;
  readonly #commit: BatchCommit;
  readonly tally: ImportTally = {
    ...{ rows: 0, stored: 0, duplicate: 0, merged: 0, conflict: 0 },
    ...{ deadLettered: 0, empty: 0, expired: 0 },
  };
  #batch: IngestBatch;
  #lastRow = 0;
  #pending: Promise<void> = Promise.resolve();

  constructor(deps: ImporterDeps, options: ImporterOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#commit = new BatchCommit({ ...deps, alertManager: WITHOUT_ALERTS });
    this.#batch = this.#newBatch();
  }

  /** Rejects with the error of a batch that cannot be committed; what was committed before stays. */
  async add(block: ReadingBlock): Promise<void> {
    const { topic, batchRows, kept } = this.#options;
    const nowMs = block.readAtMs;
    const nowUs: Micros = nowMs * 1000;
    const arrival = { topic, receivedAtMs: nowMs };
    for (const { text, detail } of block.faults) {
      this.tally.rows++;
      const payload = new TextEncoder().encode(text === '' ? detail : text);
      this.#batch.addDeadLetter({ topic, payload, receivedAtMs: nowMs, dup: true }, 'parse_error', detail);
    }
    const surelyKeptUs = nowUs - Math.min(kept.readingsUs, kept.metricsUs);
    const rows = new BlockReader(block);
    for (let index = 0; index < block.rows; index++) {
      // The commit under way goes on meanwhile: it has several answers to wait for.
      if (index % YIELD_ROWS === YIELD_ROWS - 1) await setImmediate();
      this.tally.rows++;
      this.#lastRow = block.firstRow + index;
      const row = rows.next(index);
      if (row === 'empty') this.tally.empty++;
      else if ('code' in row) {
        if (!FILTERED_CODES.has(row.code))
          this.#batch.addDeadLetter(new RowSource(arrival, rows, index), row.code, row.detail);
      } else if (row.timeUs < surelyKeptUs && isExpired(row, kept, nowUs)) this.tally.expired++;
      else {
        const message = new RowSource(arrival, rows, index);
        this.#batch.addReading(row, message, nowMs, this.#deps.registry.find(row.device));
      }
      const { rows: filled, bytes } = this.#batch;
      if (filled >= batchRows || bytes >= MOST_BYTES) await this.#flush();
    }
  }

  /** Resolves once everything is committed. */
  async finish(): Promise<void> {
    await this.#flush();
    await this.#pending;
  }

  /** Waits for the commit under way, whatever becomes of it. */
  async settle(): Promise<void> {
    await this.#pending.catch(() => undefined);
  }

  async #flush(): Promise<void> {
    await this.#pending;
    const [batch, row] = [this.#batch, this.#lastRow];
    this.#batch = this.#newBatch();
    this.#pending = this.#write(batch, row);
    // Its failure is that of the next flush.
    this.#pending.catch(() => undefined);
  }

  async #write(batch: IngestBatch, lastRow: number): Promise<void> {
    const { clock, random } = this.#deps;
    const policy: RetryPolicy = {
      attempts: ATTEMPTS,
      waitMs: (retry) => backoffMs(retry - 1, RETRY, random),
      isRetried: (error) => error instanceof FieldwatchError && error.kind === 'transient',
    };
    await retried(clock, policy, async () => {
      this.#options.signal?.throwIfAborted();
      this.#commit.begin();
      const { stored, duplicate, merged, conflict } = await this.#commit.run(batch);
      this.tally.stored += stored;
      this.tally.duplicate += duplicate;
      this.tally.merged += merged;
      this.tally.conflict += conflict;
      this.tally.deadLettered += batch.deadLettered;
      this.#options.onCommitted(lastRow);
    });
  }

  #newBatch(): IngestBatch {
    return new IngestBatch(this.#deps.clock.monotonicMs(), this.#deps.deadLetters);
  }
}
