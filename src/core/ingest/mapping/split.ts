import type { RejectCode } from '../../reading.ts';
import type { MessageContext } from './context.ts';
import { type Doc, type Pointer, isObject, lookup } from './document.ts';
import { type Element, IGNORED, NO_METRICS } from './draft.ts';
import { bareValue, namedValue } from './named-value.ts';
import { pairMembers } from './pair-keys.ts';
import { type PairPlan, pairDrafts } from './pairs.ts';

/** How the records lie in a document. */
export interface SplitPlan {
  /** The array of records; a root array needs none. */
  readonly items: Pointer | undefined;
  /** The object inside a record that holds its metrics. */
  readonly metricsPath: Pointer | undefined;
  /** Name and value pairs instead of keys. */
  readonly pairs: Omit<PairPlan, 'isWanted'> | undefined;
  /** Members of a record that the route gives a use of its own: neither is the name nor the value of a pair. */
  readonly used: ReadonlySet<string>;
  readonly hasDevicePath: boolean;
  /** Where the value is if the topic names the metric; undefined: the usual members. */
  readonly valuePath: Pointer | undefined;
  /** A record that differs is ignored. */
  readonly where: readonly { readonly path: Pointer; readonly oneOf: ReadonlySet<string> }[];
  /** An ecosystem's own way to find metrics, device and time. */
  readonly shape: Shape | undefined;
}

export type Shape = (record: Doc, context: MessageContext, outer: Doc | undefined) => Element | Element[];

/** The records of a document, in order; a reject code if there are more than `max_readings`. */
export function splitDocument(
  plan: SplitPlan,
  document: unknown,
  context: MessageContext,
): Element | Element[] | { readonly reject: RejectCode } {
  const root = plan.items === undefined ? document : lookup(document, plan.items);
  const outer = plan.items !== undefined && isObject(document) ? document : undefined;
  const { max_readings: most } = context.limits;
  if (!Array.isArray(root)) {
    const found = recordOf(plan, root, outer, context);
    return Array.isArray(found) && found.length > most ? { reject: 'too_many_readings' } : found;
  }
  // The topic names one metric, and the message is its channels (D3').
  if (root.length > 0 && isBareValue(plan, context) && !root.some((item) => isObject(item)))
    return bareValue(context.metric, root);
  if (root.length > most) return { reject: 'too_many_readings' };
  const elements: Element[] = [];
  const known = withPairs(plan, root, context);
  for (const item of root as unknown[]) {
    const found = recordOf(known, item, outer, context);
    if (!Array.isArray(found)) elements.push(found);
    else for (const element of found) elements.push(element);
    if (elements.length > most) return { reject: 'too_many_readings' };
  }
  return elements.length === 0 ? NO_METRICS : elements;
}

const ROOT: Pointer = { text: '', keys: [] };
/** Each of these pairs is a record: it names its device and its time as a record does. */
const identity = () => ({ device: undefined, time: undefined });

/** D14': if no setting defines the records, records of a name and a value are pairs and not repetitions. */
function withPairs(plan: SplitPlan, records: readonly unknown[], context: MessageContext): SplitPlan {
  const { pairs, shape, metricsPath, used } = plan;
  const isSaid = pairs ?? shape ?? metricsPath ?? context.metric;
  if (isSaid !== undefined) return plan;
  const hasDevice = plan.hasDevicePath || context.topicDevice !== undefined;
  const members = pairMembers(records, { used, hasDevice });
  return members === undefined ? plan : { ...plan, pairs: { ...members, items: ROOT, identity } };
}

function recordOf(
  plan: SplitPlan,
  record: unknown,
  outer: Doc | undefined,
  context: MessageContext,
): Element | Element[] {
  const { pairs, shape } = plan;
  const isOne = isOneValue(plan, context);
  if (!isObject(record)) return isBareValue(plan, context) ? bareValue(context.metric, record) : NO_METRICS;
  if (pairs !== undefined)
    return pairDrafts({ ...pairs, isWanted: (pair) => isWanted(plan, [pair, record, outer]) }, record, outer);
  if (plan.where.length > 0 && !isWanted(plan, [record, outer])) return IGNORED;
  if (shape !== undefined) return shape(record, context, outer);
  const value =
    isOne && plan.metricsPath === undefined ? namedValue(plan, context.metric, record) : undefined;
  if (value !== undefined) return value;
  const metrics = metricsOf(plan, record);
  return metrics === undefined ? NO_METRICS : { record, outer, metrics };
}

/** An ecosystem's shape consists of objects: if the topic names the metric, anything else is its value. */
const isBareValue = ({ pairs }: SplitPlan, { metric }: MessageContext): boolean =>
  metric !== undefined && pairs === undefined;

const isOneValue = (plan: SplitPlan, context: MessageContext): boolean =>
  isBareValue(plan, context) && plan.shape === undefined;

function isWanted({ where }: SplitPlan, places: readonly (Doc | undefined)[]): boolean {
  return where.every(({ path, oneOf }) => {
    const value = places
      .map((place) => lookup(place, path))
      .find((found) => found !== undefined && found !== null);
    return isScalar(value) && oneOf.has(String(value));
  });
}

function isScalar(value: unknown): value is string | number | bigint | boolean {
  return ['string', 'number', 'bigint', 'boolean'].includes(typeof value);
}

function metricsOf(plan: SplitPlan, record: Doc): Doc | undefined {
  if (plan.metricsPath === undefined) return record;
  const found = lookup(record, plan.metricsPath);
  return isObject(found) ? found : undefined;
}
