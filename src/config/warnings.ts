import { codecNamed } from '../core/ingest/codec/index.ts';
import { parseTopicPattern, topicList } from '../core/ingest/topic.ts';
import { exposuresOf } from './exposures.ts';
import { routeWarnings } from './notify-routes.ts';
import type { Config } from './schema/index.ts';

/** How far readings may overtake each other between the daemons of a share group: a batch, and one handover poll. */
const SHARED_LATENESS_MS = 2000;

/** Settings that are valid and probably not intended. */
export function warningsOf(config: Config): readonly string[] {
  const { routes, mqtt, alerts } = config;
  const warnings = exposuresOf(config).map(({ detail, remedy }) => `${detail}; ${remedy}`);
  if (routes.length === 0) warnings.push('no routes, so nothing will be stored');
  routes.forEach((route, index) => {
    const missing = missingDevice(route);
    if (missing !== undefined) warnings.push(`routes[${index}]: ${missing}`);
  });
  if (mqtt.share_group !== undefined && alerts.allowed_lateness < SHARED_LATENESS_MS)
    warnings.push(
      'alerts.allowed_lateness is below 2s in a share group: readings that come by way of another daemon will count as late',
    );
  warnings.push(...routeWarnings(config.notify), ...groupWarnings(config.notify.sinks));
  return warnings;
}

function groupWarnings(sinks: Config['notify']['sinks']): readonly string[] {
  return sinks.flatMap((sink) =>
    'group' in sink && sink.group !== undefined
      ? `notify: group of the sink "${sink.name}" is replaced by group_by, group_wait and group_interval; its window is taken as group_interval`
      : [],
  );
}

/** Where a route leaves the device to the payload, which may not name one. Presets know where their devices are. */
function missingDevice(route: Config['routes'][number]): string | undefined {
  const { preset, device, device_path, device_tag } = route;
  // Some presets are a format, and no more.
  const format = preset !== undefined && codecNamed(preset) !== undefined ? preset : undefined;
  const codec = route.codec ?? format ?? 'json';
  const ecosystem = format === undefined ? preset : undefined;
  const named = [ecosystem, device, device_path, device_tag].some((value) => value !== undefined);
  const inPayload = codecNamed(codec)?.device;
  if (named || inPayload === 'own') return undefined;
  const topics = topicList(route.topic);
  const without = topics.filter((topic) => {
    const parsed = parseTopicPattern(topic);
    return parsed.ok && !parsed.pattern.names.includes('device');
  });
  if (without.length === 0) return undefined;
  const remedy = 'name a level {device}, or set device';
  return inPayload === 'none'
    ? `no device in the topic ${without.join(', ')}, and a ${codec} payload has none: every message becomes a dead letter (${remedy})`
    : `no device in the topic ${without.join(', ')}: a payload without a key such as device_id becomes a dead letter (${remedy} or device_path)`;
}
