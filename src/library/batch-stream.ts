import type { IngestBatch } from '../services/ingest/batch.ts';
import type { RecordOptions, RecordOutcome } from './monitor-types.ts';

const NOTHING: RecordOutcome = { stored: 0, duplicate: 0, merged: 0, conflict: 0, deadLettered: 0 };

/** One batch is written while the next is gathered. */
export class BatchStream {
  private readonly open: () => IngestBatch;
  private readonly write: (batch: IngestBatch) => Promise<RecordOutcome>;
  private readonly onProgress: RecordOptions['onProgress'];
  private total = NOTHING;
  private writing: Promise<RecordOutcome> | undefined;
  private flushing: Promise<void> | undefined;
  batch: IngestBatch;

  constructor(
    open: () => IngestBatch,
    write: (batch: IngestBatch) => Promise<RecordOutcome>,
    onProgress: RecordOptions['onProgress'],
  ) {
    this.open = open;
    this.write = write;
    this.onProgress = onProgress;
    this.batch = open();
  }

  get isEmpty(): boolean {
    return this.batch.rows === 0 && this.batch.deadLettered === 0;
  }

  /** Begins to write the batch once the former one is written. */
  flush(): Promise<void> {
    this.flushing ??= this.begin().finally(() => (this.flushing = undefined));
    return this.flushing;
  }

  /** Rejects with the failure of a batch; the one after it is not written then. */
  async finish(): Promise<RecordOutcome> {
    await this.flushing;
    if (!this.isEmpty) await this.flush();
    await this.settle();
    return this.total;
  }

  private async begin(): Promise<void> {
    await this.settle();
    if (this.isEmpty) return;
    const writing = this.write(this.batch);
    // Awaited with the next batch: until then it is no unhandled rejection.
    writing.catch(() => undefined);
    this.writing = writing;
    this.batch = this.open();
  }

  async settle(): Promise<void> {
    const { writing } = this;
    if (writing === undefined) return;
    // What has failed stays: nothing is written behind it.
    const outcome = await writing;
    if (this.writing !== writing) return;
    this.writing = undefined;
    this.total = sum(this.total, outcome);
    this.onProgress?.(this.total);
  }
}

const sum = (a: RecordOutcome, b: RecordOutcome): RecordOutcome => ({
  stored: a.stored + b.stored,
  duplicate: a.duplicate + b.duplicate,
  merged: a.merged + b.merged,
  conflict: a.conflict + b.conflict,
  deadLettered: a.deadLettered + b.deadLettered,
});
