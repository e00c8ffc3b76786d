import { holdsNumber } from './array.ts';
import { type Doc, type Pointer, emptyDoc, isObject, lookup } from './document.ts';
import { type Draft, type Element, IGNORED, NO_METRICS } from './draft.ts';
import { LossTally, setMetric } from './losses.ts';

/** Metrics as name and value pairs. */
export interface PairPlan {
  /** The array of pairs in a record; the empty pointer where a record is a pair itself. */
  readonly items: Pointer;
  readonly name: Pointer;
  readonly value: Pointer;
  /** Distinguishes the readings if each pair has its own device or time. */
  readonly identity: (pair: Doc) => { readonly device: unknown; readonly time: unknown };
  /** True if the pair is wanted. */
  readonly isWanted: (pair: Doc) => boolean;
}

/** The pairs of a record, one draft for each device and time that they name themselves. */
export function pairDrafts(plan: PairPlan, record: Doc, outer: Doc | undefined): Element | Element[] {
  const found = lookup(record, plan.items);
  const pairs = Array.isArray(found) ? (found as unknown[]) : plan.items.keys.length === 0 ? [record] : [];
  const losses = new LossTally();
  const drafts = new Map<string, Draft & { readonly metrics: Record<string, unknown> }>();
  let ignored = 0;
  for (const pair of pairs) {
    if (!isObject(pair)) {
      if (holdsNumber(pair)) losses.drop('pair');
      continue;
    }
    if (!plan.isWanted(pair)) {
      ignored++;
      continue;
    }
    const value = lookup(pair, plan.value);
    const name = nameOf(lookup(pair, plan.name));
    if (name === undefined) {
      if (holdsNumber(value)) losses.drop('pair without a name');
      continue;
    }
    const draft = draftOf(drafts, plan, pair, record, outer);
    if (value !== undefined) setMetric(draft.metrics, name, value, losses);
  }
  const [first, ...others] = drafts.values();
  if (first === undefined) return ignored > 0 ? IGNORED : NO_METRICS;
  const counted = losses.names === undefined ? first : { ...first, losses };
  return others.length === 0 ? counted : [counted, ...others];
}

/** Numbers name tags, too. */
function nameOf(name: unknown): string | undefined {
  if (typeof name === 'string') return name;
  return Number.isSafeInteger(name) ? String(name) : undefined;
}

function draftOf(
  drafts: Map<string, Draft & { readonly metrics: Record<string, unknown> }>,
  { name, identity }: PairPlan,
  pair: Doc,
  record: Doc,
  outer: Doc | undefined,
): Draft & { readonly metrics: Record<string, unknown> } {
  const { device, time } = identity(pair);
  const own = device !== undefined || time !== undefined;
  const key = own ? JSON.stringify([String(device), String(time)]) : '';
  const known = drafts.get(key);
  if (known !== undefined) return known;
  const draft = {
    record,
    outer,
    ...(own || pair === record ? { pair, pairName: name.keys.length === 1 ? name.keys[0] : undefined } : {}),
    metrics: emptyDoc(),
    verbatim: true,
  };
  drafts.set(key, draft);
  return draft;
}
