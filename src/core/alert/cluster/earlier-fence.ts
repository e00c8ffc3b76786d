import type { AlertBatch } from '../model.ts';

/** What a daemon before migration 16 evaluated in a share group, where one member had all sensors. */
type EarlierBatch = AlertBatch & { readonly duty?: { readonly group: string; readonly epoch: number } };

/** No shard ever has it. */
const NO_EPOCH = -1;

/**
 * A batch that an earlier version left in the spool: the lease under which it was evaluated is gone with the migration, so it
 * cannot be written any more, and its readings are handed over.
 */
export function withEarlierFence(batch: EarlierBatch): AlertBatch {
  const { duty, ...rest } = batch;
  if (duty === undefined) return batch;
  return {
    ...rest,
    fence: { group: duty.group, era: `epoch ${duty.epoch}`, shards: [[0, NO_EPOCH]] },
  };
}
