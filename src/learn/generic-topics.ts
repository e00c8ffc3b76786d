import { TIME_NAMES } from '../core/ingest/mapping/pair-keys.ts';
import { isQuantity, singleValueKey } from '../core/ingest/mapping/quantity.ts';
import type { Observed } from '../core/ingest/preset/samples.ts';
import type { RouteConfig } from '../core/ingest/route-config.ts';
import { groupedBy } from '../core/grouped.ts';
import { isUnit } from './stated-units.ts';
import { METRIC_LEVEL, type TopicFacts } from './structure.ts';

/** A route for payloads that belong to no known ecosystem, recognised by the structure of their topics. */
export interface GenericRoute {
  readonly route: RouteConfig;
  readonly localTimes: readonly { readonly text: string; readonly receivedAtMs: number }[];
}

/** Everything of one topic that no ecosystem claims. */
export interface GenericTopic extends TopicFacts {
  readonly topic: string;
  readonly messages: readonly Observed[];
}

/** A topic whose messages are single values; its `levels` have METRIC_LEVEL where the metric is named. */
export interface ScalarTopic extends GenericTopic {
  readonly metricAt: number;
}

/** Words that end a topic without naming a quantity. */
const GENERIC = /^(?:state|value|val|reading|current|data)$/i;

/** The majority of a topic's messages decides; others show when the route is tried. */
export function kindOf(messages: readonly Observed[]): 'tree' | 'senml' | 'lines' | 'table' | 'number' {
  const counts = new Map<string, number>();
  for (const { content } of messages) counts.set(content.kind, (counts.get(content.kind) ?? 0) + 1);
  const most = (['senml', 'tree', 'lines', 'table', 'number'] as const).map(
    (kind) => [kind, counts.get(kind) ?? 0] as const,
  );
  return most.reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}

/** True where each message is one value in a JSON object, with what describes it. */
export function isSingleValue({ messages }: GenericTopic): boolean {
  const isTime = (key: string): boolean => TIME_NAMES.test(key);
  return messages.every(
    ({ document }) => document !== undefined && singleValueKey(document, isTime) !== undefined,
  );
}

export function genericTopics(messages: readonly Observed[]): GenericTopic[] {
  const byTopic = groupedBy(messages, ({ topic }) => topic);
  return [...byTopic].map(([topic, list]) => ({
    topic,
    messages: list,
    levels: topic.split('/'),
    signature: signatureOf(list),
  }));
}

/** The names at the top of the payloads, whatever the record they come in. */
function signatureOf(messages: readonly Observed[]): Set<string> {
  const signature = new Set<string>();
  for (const { content } of messages) {
    if (content.kind !== 'tree') continue;
    const record: unknown = Array.isArray(content.value) ? content.value[0] : content.value;
    if (typeof record === 'object' && record !== null)
      for (const key of Object.keys(record).slice(0, 50)) signature.add(key);
  }
  return signature;
}

/** Topics of single values, with the level that names the metric; `others` have none that could. */
export interface NamedTopics {
  readonly named: readonly ScalarTopic[];
  readonly others: readonly GenericTopic[];
}

/**
 * The level that names the metric in topics of single values. `usual`: without other evidence it is the last level,
 * as is common for plain values; else only a level that names a quantity, or that varies for one device.
 */
export function namedTopics(topics: readonly GenericTopic[], usual: boolean): NamedTopics {
  const named: ScalarTopic[] = [];
  const others: GenericTopic[] = [];
  for (const alike of groupedBy(topics, likeness).values()) {
    const metricAt = metricLevel(alike, usual);
    for (const topic of alike)
      if (metricAt === undefined) others.push(topic);
      else named.push(withMetricAt(topic, metricAt));
  }
  return { named, others };
}

/** Equal for topics with the same first level, the same empty levels, and a last level that names something or does not. */
function likeness({ levels }: GenericTopic): string {
  const last = levels.findLast((level) => level !== '') ?? '';
  // Behind a quantity a unit is no device: each has topics of its own.
  const unit = isUnit(last) && isQuantity(levels.at(-2) ?? '') ? last : '';
  return `${levels[0]} ${GENERIC.test(last)} ${unit} ${levels.map((level) => (level === '' ? '' : '+')).join('/')}`;
}

function withMetricAt(topic: GenericTopic, metricAt: number): ScalarTopic {
  // A pattern must not begin with what varies: each quantity has a route of its own then.
  const levels = topic.levels.map((level, at) => (at === metricAt && at > 0 ? METRIC_LEVEL : level));
  const last = topic.levels.at(-1) ?? '';
  const signature = new Set(metricAt < topic.levels.length - 1 && isUnit(last) ? [last] : []);
  return { ...topic, levels, metricAt, signature };
}

/** Topics of the same length and the same first level. */
function metricLevel(topics: readonly GenericTopic[], usual: boolean): number | undefined {
  const [{ levels } = { levels: [] }] = topics;
  const last = levels.findLastIndex((level) => level !== '');
  const isBehind =
    GENERIC.test(levels[last] ?? '') ||
    (isUnit(levels[last] ?? '') && topics.every((topic) => isQuantity(topic.levels[last - 1] ?? '')));
  const end = isBehind && last > 1 ? last - 1 : last;
  const places = Array.from({ length: end + 1 }, (_, at) => end - at).filter((at) => levels[at] !== '');
  // Nothing but the metric: nothing that could be the device.
  if (places.length < 2) return undefined;
  const quantity = places.find((at) => sayQuantities(topics.map((topic) => topic.levels[at] ?? '')));
  if (quantity !== undefined) return quantity;
  return usual || variesForOneDevice(topics, end) ? end : undefined;
}

function sayQuantities(names: readonly string[]): boolean {
  const distinct = [...new Set(names)];
  return distinct.filter(isQuantity).length * 2 >= distinct.length;
}

/** Whether two beginnings share a name at this level, each with several names. */
function variesForOneDevice(topics: readonly GenericTopic[], at: number): boolean {
  const beginnings = groupedBy(topics, ({ levels }) => levels.slice(0, at).join('/'));
  const namesOf = (list: readonly GenericTopic[]): Set<string> =>
    new Set(list.map(({ levels }) => levels[at] ?? ''));
  const several = [...beginnings.values()].map(namesOf).filter((names) => names.size > 1);
  const [first] = several;
  return first !== undefined && several.slice(1).some((names) => [...names].some((name) => first.has(name)));
}
