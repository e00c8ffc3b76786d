import {
  type AlertBatch,
  type AlertKey,
  type AlertStateRow,
  EMPTY_ALERT_BATCH,
  type ShardFence,
} from '../model.ts';
import { alertKeyText } from './alert-key.ts';
import { foldWaiting, waitingColumns, type WaitingRow } from './waiting.ts';

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

/**
 * How many of these batches, from the first on, leave the alert tables the same in one transaction as one after the
 * other. A transaction raises rows before it closes them, so a batch that touches an already closed row does not
 * join. Commands, acknowledgements and handovers stay separate, and eras of a member are not mixed.
 */
export function joinable(batches: readonly AlertBatch[]): number {
  const [first] = batches;
  if (first === undefined || isSpecial(first)) return Math.min(1, batches.length);
  const closed = new Set<string>();
  let count = 0;
  for (const batch of batches) {
    if (isSpecial(batch) || batch.fence?.era !== first.fence?.era) break;
    if (count > 0 && touches(batch, closed)) break;
    if (!sameLog(first.waiting, batch.waiting)) break;
    for (const row of batch.resolved) closed.add(rowKey(row, row.firedAtUs));
    count++;
  }
  return count;
}

/** Merges consecutive batches into one: the last of each state wins. */
export function joined(batches: readonly AlertBatch[]): AlertBatch {
  const [first] = batches;
  if (first !== undefined && batches.length === 1) return first;
  const states = new Map<string, AlertStateRow>();
  for (const batch of batches) for (const row of batch.states) states.set(alertKeyText(row), row);
  return {
    states: [...states.values()],
    raised: batches.flatMap(({ raised }) => raised),
    resolved: batches.flatMap(({ resolved }) => resolved),
    flapping: batches.flatMap(({ flapping = [] }) => flapping),
    notifications: batches.flatMap(({ notifications }) => notifications),
    ...joinedFence(batches.flatMap(({ fence }) => fence ?? [])),
    ...joinedWaiting(batches.flatMap(({ waiting }) => waiting ?? [])),
  };
}

/** With several epochs of one shard the batch cannot be written: the list keeps them all. */
function joinedFence(fences: readonly ShardFence[]): { readonly fence?: ShardFence } {
  const [first] = fences;
  if (first === undefined) return {};
  const shards = new Map(fences.flatMap((fence) => fence.shards.map((shard) => [shard.join(), shard])));
  return { fence: { ...first, shards: [...shards.values()] } };
}

function joinedWaiting(rows: readonly WaitingRow[]): { readonly waiting?: WaitingRow } {
  const last = rows.at(-1);
  if (last === undefined) return {};
  const whole = rows.findLast((row) => row.replaces !== undefined);
  const columns = waitingColumns(foldWaiting(rows.map((row) => row.columns)));
  return { waiting: { ...last, replaces: whole?.replaces, shards: whole?.shards, columns } };
}

/** Rows of the same process. */
const sameLog = (one: WaitingRow | undefined, other: WaitingRow | undefined): boolean =>
  one === undefined || other === undefined || (one.group === other.group && one.writer === other.writer);

/** A batch that is written separately and whole. */
export const isSpecial = ({ acked = [], commands, dequeued, forwarded }: AlertBatch): boolean =>
  acked.length > 0 || commands !== undefined || dequeued !== undefined || forwarded !== undefined;

const rowKey = (row: AlertKey, firedAtUs: number): string => `${firedAtUs} ${alertKeyText(row)}`;

const touches = ({ raised, resolved }: AlertBatch, closed: ReadonlySet<string>): boolean =>
  raised.some((row) => closed.has(rowKey(row, row.timeUs))) ||
  resolved.some((row) => closed.has(rowKey(row, row.firedAtUs)));
