import type { RouteConfig } from '../route-config.ts';
import type { Observed } from './observed.ts';
import { groupedBy } from './grouped.ts';
import { kindOf, ownTopics, scalarTopic, type OwnTopic } from './own-topics.ts';
import { recordShape } from './records.ts';
import { commonLevels, groupTopics, namePattern, type TopicFacts, type TopicGroup } from './structure.ts';
import { lineTags } from './lines.ts';

/** A route for payloads that belong to no ecosystem, told by the structure of their topics. */
export interface OwnRoute {
  readonly route: RouteConfig;
  readonly localTimes: readonly { readonly text: string; readonly receivedAtMs: number }[];
}

/** More than a person reads; beyond it the topics have no structure, and more routes would only cost. */
const MAX_ROUTES = 100;

/** Routes for what no ecosystem claims, those of most topics. Those that say most about the topic come first. */
export function ownRoutes(all: readonly Observed[]): OwnRoute[] {
  const { route: victron, rest: messages } = victronRoute(all);
  const byKind = groupedBy(ownTopics(messages), (topic) => kindOf(topic.messages));
  const routes = [
    ...victron,
    ...largest(groupTopics(byKind.get('tree') ?? [])).map(treeRoute),
    ...largest(groupTopics(byKind.get('senml') ?? [])).map(senmlRoute),
    ...largest(groupTopics(byKind.get('lines') ?? [])).map(lineRoute),
    ...largest(groupTopics(byKind.get('table') ?? [])).map(tableRoute),
    ...scalarRoutes(byKind.get('number') ?? []),
  ];
  return merged(routes).sort((a, b) => openness(a.route) - openness(b.route));
}

const VICTRON = /^N\/[^/]+\/[a-z]+\/\d+\/./;

/** Venus OS (dbus-mqtt): the path behind the instance is the metric, however deep; `value` may be null for a while. */
function victronRoute(messages: readonly Observed[]): {
  readonly route: readonly OwnRoute[];
  readonly rest: readonly Observed[];
} {
  const isVictron = ({ topic, document }: Observed): boolean =>
    VICTRON.test(topic) && document !== undefined && Object.hasOwn(document, 'value');
  if (!messages.some(isVictron)) return { route: [], rest: messages };
  const route = {
    topic: 'N/{portal}/{service}/{instance}/{metric...}',
    codec: 'json',
    device: '{portal}/{service}/{instance}',
  };
  return { route: [{ route, localTimes: [] }], rest: messages.filter((one) => !VICTRON.test(one.topic)) };
}

/** Of so many that most are one topic each, the largest. */
function largest<T extends TopicFacts>(groups: readonly TopicGroup<T>[]): TopicGroup<T>[] {
  return [...groups].sort((a, b) => b.topics.length - a.topics.length).slice(0, MAX_ROUTES);
}

/** How much a topic leaves open. */
function openness({ topic }: RouteConfig): number {
  const [text = ''] = [topic ?? ''].flat();
  return text.split('/').filter((level) => /^[{+#]/.test(level)).length;
}

/** Two formats on one topic: each payload tells which it is. */
function merged(routes: readonly OwnRoute[]): OwnRoute[] {
  const byTopic = new Map<string, OwnRoute>();
  for (const one of routes) {
    const key = String(one.route.topic);
    const other = byTopic.get(key);
    byTopic.set(key, other === undefined ? one : { ...other, route: { ...other.route, codec: 'auto' } });
  }
  return [...byTopic.values()];
}

const samplesOf = ({ topics }: TopicGroup<OwnTopic>): Observed[] =>
  topics.flatMap(({ messages }) => messages);

const compressionOf = (samples: readonly Observed[]): RouteConfig =>
  samples.some(({ compressed }) => compressed) ? { compression: 'auto' } : {};

function treeRoute(group: TopicGroup<OwnTopic>): OwnRoute {
  const samples = samplesOf(group);
  const shape = recordShape(samples);
  const codecs = new Set(samples.flatMap(({ content }) => (content.kind === 'tree' ? [content.codec] : [])));
  const [codec = 'json'] = codecs;
  // A gateway speaks for many: then the payload names the device, and the topic does not.
  const inPayload = shape.devices !== undefined && shape.devices.length >= group.topics.length;
  const { device_path, ...rest } = shape.config;
  const names = namesOf(group, inPayload);
  return {
    route: {
      topic: names.topic,
      codec: codecs.size > 1 ? 'auto' : codec,
      ...compressionOf(samples),
      ...(names.device === undefined ? {} : { device: names.device }),
      ...(inPayload && device_path !== undefined ? { device_path } : {}),
      ...rest,
    },
    localTimes: shape.localTimes,
  };
}

/** The topic with its segments named; a device in its own words where nothing varies. */
function namesOf(
  group: TopicGroup<OwnTopic>,
  inPayload: boolean,
): { readonly topic: string; readonly device: string | undefined } {
  if (inPayload) return { topic: group.levels.map((level) => level ?? '+').join('/'), device: undefined };
  const { topic, device, namesDevice } = namePattern(group);
  return { topic, device: namesDevice ? device : lonelyDevice(group.levels) };
}

const TAIL =
  /^(?:data|readings?|state|telemetry|sensors?|status|json|up|values?|measurements?|tele|attributes|info)$/i;

/** One topic alone does not tell which level is the device: the last that is no mere word for "data". */
function lonelyDevice(levels: readonly (string | undefined)[]): string {
  const named = levels.filter((level) => level !== undefined && level !== '');
  const found = named.findLast((level) => !TAIL.test(level ?? '')) ?? named[0] ?? 'device';
  // Braces would be segments.
  return found.replace(/[{}]/g, '_');
}

function senmlRoute(group: TopicGroup<OwnTopic>): OwnRoute {
  const samples = samplesOf(group);
  const names = samples.every(({ content }) => {
    const [first] = content.kind === 'senml' ? (content.value as Record<string, unknown>[]) : [];
    return first !== undefined && (first['bn'] ?? first['-2']) !== undefined;
  });
  const { topic, device } = namesOf(group, names);
  const route = { preset: 'senml', topic, ...compressionOf(samples) };
  return { route: device === undefined ? route : { ...route, device }, localTimes: [] };
}

function tableRoute(group: TopicGroup<OwnTopic>): OwnRoute {
  const samples = samplesOf(group);
  const route = samples
    .map(({ content }) => (content.kind === 'table' ? content.route : undefined))
    .find(Boolean);
  const { topic, device } = namesOf(group, false);
  return {
    route: { topic, ...route, ...compressionOf(samples), ...(device === undefined ? {} : { device }) },
    localTimes: [],
  };
}

function lineRoute(group: TopicGroup<OwnTopic>): OwnRoute {
  const samples = samplesOf(group);
  const { tag, precision } = lineTags(samples);
  const { topic, device } = namesOf(group, tag !== undefined);
  return {
    route: {
      codec: 'line-protocol',
      topic,
      ...compressionOf(samples),
      ...(tag === undefined ? {} : { device_tag: tag }),
      ...(device === undefined ? {} : { device }),
      ...(precision === undefined || precision === 'ns' ? {} : { precision }),
    },
    localTimes: [],
  };
}

function scalarRoutes(topics: readonly OwnTopic[]): OwnRoute[] {
  const scalars = topics.map(scalarTopic).filter((topic) => topic !== undefined);
  const byMetricAt = groupedBy(scalars, ({ metricAt, levels }) => `${metricAt} ${levels.length}`);
  return [...byMetricAt.values()].flatMap((list) => {
    const metricAt = list[0]?.metricAt ?? 0;
    return largest(groupTopics(list)).map((group) => {
      const levels = commonLevels(group.topics);
      const { topic, device, namesDevice } = namePattern(
        { ...group, levels },
        new Map([[metricAt, 'metric']]),
      );
      const own = namesDevice ? device : lonelyDevice(levels.slice(0, metricAt));
      const route = { topic, codec: 'scalar', ...compressionOf(samplesOf(group)) };
      return { route: own === undefined ? route : { ...route, device: own }, localTimes: [] };
    });
  });
}
