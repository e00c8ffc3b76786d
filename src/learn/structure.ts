/** Topics that look like one route: the same length, the same kind of payload, some varying levels. */
export interface TopicGroup<T extends TopicFacts> {
  readonly topics: readonly T[];
  /** Undefined: the level varies. */
  readonly levels: readonly (string | undefined)[];
}

export interface TopicFacts {
  readonly levels: readonly string[];
  /** The common part of the payloads: keys, or the codec alone. Topics are one group where half of it is shared. */
  readonly signature: ReadonlySet<string>;
}

const ALIKE = 0.5;
/** This many groups that differ in their first level are a pattern; more, if only the metric follows. */
const PATTERN = 2;
const LOOSE_PATTERN = 4;

/** Stands in a topic for the level that names the metric: the same for all topics. */
export const METRIC_LEVEL = '{metric}';

/** Groups topics by structure. A pattern keeps at least one level as it is, so that it takes no strangers in. */
export function groupTopics<T extends TopicFacts>(topics: readonly T[]): TopicGroup<T>[] {
  const groups: { readonly signature: ReadonlySet<string>; readonly topics: T[] }[] = [];
  // Only topics of the same length and the same first level can be one group here, and with the same levels empty.
  const neighbours = new Map<string, typeof groups>();
  for (const topic of topics) {
    // An empty level cannot be a device, so a level that varies must not be empty in one of them.
    const key = `${topic.levels[0]} ${topic.levels.map((level) => (level === '' ? '' : '+')).join('/')}`;
    const near = neighbours.get(key) ?? [];
    neighbours.set(key, near);
    const found = near.find((group) => similarity(group.signature, topic.signature) >= ALIKE);
    if (found !== undefined) found.topics.push(topic);
    else {
      const group = { signature: topic.signature, topics: [topic] };
      near.push(group);
      groups.push(group);
    }
  }
  return joinedByTail(
    groups.map(({ topics: members }) => ({ topics: members, levels: commonLevels(members) })),
  );
}

/** `n1/data` and `n2/data`: the device comes first, and what follows is the same. */
function joinedByTail<T extends TopicFacts>(groups: readonly TopicGroup<T>[]): TopicGroup<T>[] {
  const byTail = new Map<string, TopicGroup<T>[]>();
  for (const group of groups) {
    const tail = group.levels.slice(1);
    const key = tail.some((level) => level !== undefined)
      ? JSON.stringify(tail.map((level) => level ?? null))
      : '';
    byTail.set(key, [...(byTail.get(key) ?? []), group]);
  }
  return [...byTail].flatMap(([key, members]) => {
    const [first] = members;
    if (key === '' || first === undefined) return members;
    const isLoose = first.levels.slice(1).every((level) => level === undefined || level === METRIC_LEVEL);
    const least = isLoose ? LOOSE_PATTERN : PATTERN;
    const alike = members.filter(
      (one) => similarity(first.topics[0]?.signature, one.topics[0]?.signature) >= ALIKE,
    );
    if (alike.length < least) return members;
    const topics = alike.flatMap((one) => one.topics);
    const joined = { topics, levels: commonLevels(topics) };
    return [joined, ...members.filter((one) => !alike.includes(one))];
  });
}

export function commonLevels(topics: readonly TopicFacts[]): (string | undefined)[] {
  const [first] = topics;
  return (first?.levels ?? []).map((level, at) =>
    topics.every((topic) => topic.levels[at] === level) ? level : undefined,
  );
}

function similarity(a: ReadonlySet<string> = new Set(), b: ReadonlySet<string> = new Set()): number {
  let shared = 0;
  for (const key of a) if (b.has(key)) shared++;
  const all = a.size + b.size - shared;
  return all === 0 ? 1 : shared / all;
}

/** A pattern with its segments named, and the device that they make. */
export interface NamedPattern {
  readonly topic: string;
  /** The route's `device`; undefined where {device} alone does, or where nothing in the topic varies. */
  readonly device: string | undefined;
  /** Whether the topic names the device. */
  readonly namesDevice: boolean;
}

const PLACES = ['location', 'area', 'site'];

/**
 * Names the levels that vary: {device} is the one with the most values (the last of equals), those before it are
 * places. Where a device name comes back under another place, the place is part of the device.
 */
export function namePattern(
  group: TopicGroup<TopicFacts>,
  fixed: ReadonlyMap<number, string> = new Map(),
): NamedPattern {
  const varying = group.levels.flatMap((level, at) => (level === undefined && !fixed.has(at) ? [at] : []));
  const counts = varying.map((at) => new Set(group.topics.map(({ levels }) => levels[at])).size);
  const most = Math.max(...counts);
  const deviceAt = varying[counts.lastIndexOf(most)];
  const names = new Map<number, string>(fixed);
  if (deviceAt !== undefined) names.set(deviceAt, 'device');
  const before = varying.filter((at) => deviceAt !== undefined && at < deviceAt).reverse();
  before.forEach((at, index) => names.set(at, PLACES[index] ?? `level${at + 1}`));
  const after = varying.filter((at) => deviceAt !== undefined && at > deviceAt);
  after.forEach((at, index) => names.set(at, index === 0 ? 'channel' : `level${at + 1}`));
  const topic = group.levels
    .map((level, at) => (names.has(at) ? `{${names.get(at)}}` : (level ?? '+')))
    .join('/');
  const whole = varying.map((at) => `{${names.get(at)}}`).join('/');
  const ambiguous = varying.length > 1 && !isUnique(group.topics, varying, deviceAt);
  return { topic, device: ambiguous ? whole : undefined, namesDevice: deviceAt !== undefined };
}

function isUnique(topics: readonly TopicFacts[], varying: readonly number[], deviceAt = 0): boolean {
  const places = new Map<string, string>();
  for (const { levels } of topics) {
    const device = levels[deviceAt] ?? '';
    const all = varying.map((at) => levels[at]).join('/');
    if ((places.get(device) ?? all) !== all) return false;
    places.set(device, all);
  }
  return true;
}
