import type { AlertBatch } from '../model.ts';

/** A batch of a daemon before migration 16, where one member of a share group evaluated all sensors. */
type EarlierBatch = AlertBatch & { readonly duty?: { readonly group: string; readonly epoch: number } };

/** An epoch that no shard ever has. */
const NO_EPOCH = -1;

/**
 * A batch that an earlier version left in the spool: its lease was removed by the migration, so it cannot be written
 * any more, and its readings are handed over.
 */
export function withEarlierFence(batch: EarlierBatch): AlertBatch {
  const { duty, ...rest } = batch;
  if (duty === undefined) return batch;
  return {
    ...rest,
    fence: { group: duty.group, era: `epoch ${duty.epoch}`, shards: [[0, NO_EPOCH]] },
  };
}
