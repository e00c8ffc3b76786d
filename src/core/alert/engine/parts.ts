import { type AlertBatch, EMPTY_ALERT_BATCH } from '../model.ts';
import { isSpecial } from './join.ts';

const LISTS = ['raised', 'flapping', 'resolved', 'states', 'notifications'] as const;

/**
 * Splits the batch into parts of at most `mostRows` rows, to be written in order: rows are raised before they are
 * closed, and the waiting log, which records the progress of the evaluation, comes last. Parts with commands or
 * handovers stay whole.
 */
export function partsOf(batch: AlertBatch, mostRows: number): readonly AlertBatch[] {
  const rows = LISTS.reduce((sum, list) => sum + (batch[list]?.length ?? 0), 0);
  if (rows <= mostRows || isSpecial(batch)) return [batch];
  const { fence, waiting } = batch;
  const empty: AlertBatch = { ...EMPTY_ALERT_BATCH, ...(fence === undefined ? {} : { fence }) };
  const parts: AlertBatch[] = [];
  for (const list of LISTS) {
    const all = batch[list] ?? [];
    for (let at = 0; at < all.length; at += mostRows)
      parts.push({ ...empty, [list]: all.slice(at, at + mostRows) });
  }
  const last = parts.pop() ?? empty;
  return [...parts, waiting === undefined ? last : { ...last, waiting }];
}
