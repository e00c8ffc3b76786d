import { isLocalTime } from '../core/ingest/preset/recognition.ts';
import type { Observed } from '../core/ingest/preset/samples.ts';
import type { RouteConfig } from '../core/ingest/route-config.ts';
import {
  type GenericRoute,
  type GenericTopic,
  type ScalarTopic,
  isSingleValue,
  kindOf,
  namedTopics,
  genericTopics,
} from './generic-topics.ts';
import { groupedBy } from '../core/grouped.ts';
import { knownValueRoutes } from './known-values.ts';
import { hasSeveralMeasurements, lineFacts } from './lines.ts';
import { recordShape } from './records.ts';
import { type TopicFacts, type TopicGroup, commonLevels, groupTopics, namePattern } from './structure.ts';

/** More than an operator reads; beyond it the topics have no structure, and more routes would only cost. */
const MAX_ROUTES = 100;

/** Routes for messages that no ecosystem claims, those with most topics. The most specific come first. */
export function genericRoutes(all: readonly Observed[]): GenericRoute[] {
  const { routes: known, rest: messages } = knownValueRoutes(all);
  const byKind = groupedBy(genericTopics(messages), (topic) => kindOf(topic.messages));
  const single = groupedBy(byKind.get('tree') ?? [], isSingleValue);
  const values = namedTopics(single.get(true) ?? [], false);
  const trees = [...(single.get(false) ?? []), ...values.others];
  const lines = byKind.get('lines') ?? [];
  const several = hasSeveralMeasurements(lines.flatMap((topic) => topic.messages));
  const routes = [
    ...known,
    ...valueRoutes(values.named, 'json'),
    ...largest(groupTopics(trees)).map(treeRoute),
    ...largest(groupTopics(byKind.get('senml') ?? [])).map(senmlRoute),
    ...largest(groupTopics(lines)).map((group) => lineRoute(group, several)),
    ...largest(groupTopics(byKind.get('table') ?? [])).map(tableRoute),
    ...valueRoutes(namedTopics(byKind.get('number') ?? [], true).named, 'scalar'),
  ];
  return distinguished(merged(routes)).sort((a, b) => openness(a.route) - openness(b.route));
}

/** Topics that end alike would be one device: then the levels before it are part of its name. */
function distinguished(routes: readonly GenericRoute[]): GenericRoute[] {
  const named = ({ route }: GenericRoute): string | undefined => (isFixed(route) ? route.device : undefined);
  const byDevice = groupedBy(routes, named);
  return routes.map((one) => {
    const device = named(one);
    if (device === undefined || byDevice.get(device)?.length === 1) return one;
    return { ...one, route: { ...one.route, device: levelsUntil(String(one.route.topic), device) } };
  });
}

const isFixed = ({ device }: RouteConfig): boolean => device !== undefined && !device.includes('{');

function levelsUntil(topic: string, device: string): string {
  const levels = topic.split('/').filter((level) => level !== '' && !/^[{+#]/.test(level));
  const at = levels.lastIndexOf(device);
  return at < 0 ? device : levels.slice(0, at + 1).join('/');
}

/** The largest groups, if most have only one topic. */
function largest<T extends TopicFacts>(groups: readonly TopicGroup<T>[]): TopicGroup<T>[] {
  return [...groups].sort((a, b) => b.topics.length - a.topics.length).slice(0, MAX_ROUTES);
}

/** How much a topic leaves open. */
function openness({ topic }: RouteConfig): number {
  const [text = ''] = [topic ?? ''].flat();
  return text.split('/').filter((level) => /^[{+#]/.test(level)).length;
}

/** Two formats on one topic: the payload decides. */
function merged(routes: readonly GenericRoute[]): GenericRoute[] {
  const byTopic = new Map<string, GenericRoute>();
  for (const one of routes) {
    const key = String(one.route.topic);
    const other = byTopic.get(key);
    byTopic.set(key, other === undefined ? one : { ...other, route: { ...other.route, codec: 'auto' } });
  }
  return [...byTopic.values()];
}

const samplesOf = ({ topics }: TopicGroup<GenericTopic>): Observed[] =>
  topics.flatMap(({ messages }) => messages);

const compressionOf = (samples: readonly Observed[]): RouteConfig =>
  samples.some(({ compressed }) => compressed) ? { compression: 'auto' } : {};

function treeRoute(group: TopicGroup<GenericTopic>): GenericRoute {
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
  group: TopicGroup<GenericTopic>,
  inPayload: boolean,
): { readonly topic: string; readonly device: string | undefined } {
  if (inPayload) return { topic: group.levels.map((level) => level ?? '+').join('/'), device: undefined };
  const { topic, device, namesDevice } = namePattern(group);
  return { topic, device: namesDevice ? device : singleDevice(group.levels) };
}

const TAIL =
  /^(?:data|readings?|state|telemetry|sensors?|status|json|up|values?|measurements?|tele|attributes|info)$/i;

/**
 * With only one topic it is unclear which level is the device: the last that is not a mere word for "data", among
 * those before `end` if there are any.
 */
function singleDevice(levels: readonly (string | undefined)[], end = levels.length): string {
  const isNamed = (level: string | undefined): boolean => level !== undefined && level !== '';
  const before = levels.slice(0, end).filter(isNamed);
  const named = before.length > 0 ? before : levels.filter(isNamed);
  const found = named.findLast((level) => !TAIL.test(level ?? '')) ?? named[0] ?? 'device';
  // Braces would be segments.
  return found.replace(/[{}]/g, '_');
}

function senmlRoute(group: TopicGroup<GenericTopic>): GenericRoute {
  const samples = samplesOf(group);
  const names = samples.every(({ content }) => {
    const [first] = content.kind === 'senml' ? (content.value as Record<string, unknown>[]) : [];
    return first !== undefined && (first['bn'] ?? first['-2']) !== undefined;
  });
  const { topic, device } = namesOf(group, names);
  const route = { preset: 'senml', topic, ...compressionOf(samples) };
  return { route: device === undefined ? route : { ...route, device }, localTimes: [] };
}

function tableRoute(group: TopicGroup<GenericTopic>): GenericRoute {
  const samples = samplesOf(group);
  const route = samples
    .map(({ content }) => (content.kind === 'table' ? content.route : undefined))
    .find(Boolean);
  const { topic, device } = namesOf(group, false);
  return {
    route: { topic, ...route, ...compressionOf(samples), ...(device === undefined ? {} : { device }) },
    localTimes: samples.flatMap(({ content, retain, receivedAtMs }) => {
      const text = content.kind === 'table' ? content.time : undefined;
      return isLocalTime(text) && !retain ? [{ text, receivedAtMs }] : [];
    }),
  };
}

function lineRoute(group: TopicGroup<GenericTopic>, several: boolean): GenericRoute {
  const samples = samplesOf(group);
  const { tag, metric, precision } = lineFacts(samples, several);
  const { topic, device } = namesOf(group, tag !== undefined);
  return {
    route: {
      codec: 'line-protocol',
      topic,
      ...compressionOf(samples),
      ...(tag === undefined ? {} : { device_tag: tag }),
      ...(metric === undefined ? {} : { metric }),
      ...(device === undefined ? {} : { device }),
      ...(precision === undefined || precision === 'ns' ? {} : { precision }),
    },
    localTimes: [],
  };
}

/** Topics of single values: plain ones, or each in a JSON object. */
function valueRoutes(topics: readonly ScalarTopic[], codec: 'scalar' | 'json'): GenericRoute[] {
  const byMetricAt = groupedBy(topics, ({ metricAt, levels }) => `${metricAt} ${levels.length}`);
  return [...byMetricAt.values()].flatMap((list) =>
    largest(groupTopics(list)).map((group) => valueRoute(group, list[0]?.metricAt ?? 0, codec)),
  );
}

function valueRoute(
  group: TopicGroup<ScalarTopic>,
  metricAt: number,
  codec: 'scalar' | 'json',
): GenericRoute {
  const samples = samplesOf(group);
  const shape = codec === 'json' ? recordShape(samples) : undefined;
  // What else is in such an object describes the value; only a usual key names its device.
  const inPayload = shape?.devices !== undefined && shape.config.device_path === undefined;
  const levels = commonLevels(group.topics);
  const fixed = new Map(metricAt > 0 ? [[metricAt, 'metric']] : []);
  const { topic, device, namesDevice } = namePattern({ ...group, levels }, fixed);
  const own = namesDevice
    ? device
    : singleDevice(
        levels.filter((_, at) => at !== metricAt),
        metricAt,
      );
  const { time } = shape?.config ?? {};
  const route = {
    topic,
    codec,
    ...compressionOf(samples),
    ...(metricAt > 0 ? {} : { metric: levels[0] }),
    ...(own === undefined || inPayload ? {} : { device: own }),
    ...(time === undefined ? {} : { time }),
  };
  return { route, localTimes: shape?.localTimes ?? [] };
}
