import { groupedBy } from './grouped.ts';
import type { Observed } from './observed.ts';
import { METRIC_LEVEL, type TopicFacts } from './structure.ts';

/** Everything of one topic that no ecosystem claims. */
export interface OwnTopic extends TopicFacts {
  readonly topic: string;
  readonly messages: readonly Observed[];
}

/** A topic whose messages are single values; `levels` has METRIC_LEVEL where the metric is named. */
export interface ScalarTopic extends OwnTopic {
  readonly metricAt: number;
}

/** Words that end a topic without naming what is measured. */
const GENERIC = /^(?:state|value|val|reading|current|data)$/i;

/** What a topic mostly carries decides; what differs from it shows when the route is tried. */
export function kindOf(messages: readonly Observed[]): 'tree' | 'senml' | 'lines' | 'table' | 'number' {
  const counts = new Map<string, number>();
  for (const { content } of messages) counts.set(content.kind, (counts.get(content.kind) ?? 0) + 1);
  const most = (['senml', 'tree', 'lines', 'table', 'number'] as const).map(
    (kind) => [kind, counts.get(kind) ?? 0] as const,
  );
  return most.reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}

export function ownTopics(messages: readonly Observed[]): OwnTopic[] {
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

/** Where a single value's topic names the metric: the last level that is no mere word for "value". */
export function scalarTopic(topic: OwnTopic): ScalarTopic | undefined {
  const last = topic.levels.length - 1;
  const metricAt = GENERIC.test(topic.levels[last] ?? '') && last > 1 ? last - 1 : last;
  // Nothing before the metric: nothing that could be the device.
  if (metricAt === 0) return undefined;
  const levels = topic.levels.map((level, at) => (at === metricAt ? METRIC_LEVEL : level));
  return { ...topic, levels, metricAt, signature: new Set() };
}
