import { effectiveConfig, presetNamed } from '../core/ingest/preset/index.ts';
import type { RouteConfig } from '../core/ingest/route-config.ts';
import { parseTopicPattern, topicList } from '../core/ingest/topic.ts';
import { type RejectCode, coreSuffixOf } from '../core/reading.ts';
import { isKelvin } from './doubtful-units.ts';
import type { RouteDryRun, DryRun } from './dry-run.ts';

/** A route before it is written to the configuration, with its notes. */
export interface DraftRoute {
  readonly route: RouteConfig;
  readonly hints: readonly string[];
}

const BAD_TIME: ReadonlySet<RejectCode> = new Set(['bad_time', 'time_out_of_range']);
/** A topic that always ends like this carries no measurement. */
const NO_TELEMETRY: ReadonlySet<RejectCode> = new Set([
  'no_metrics',
  'not_a_number',
  'parse_error',
  'invalid_utf8',
  'unsupported',
  'ignored',
]);
const MAX_IGNORED = 100;
const MAX_RENAMED = 50;

/** Adds the keys that a route needs to store all samples; unchanged where none helps. */
export function autoFix(draft: DraftRoute, dryRun: RouteDryRun, all: DryRun): DraftRoute {
  return [fixTime, fixDevice, fixUnits, fixByPreset, fixNames].reduce(
    (route, fix) => fix(route, dryRun),
    fixTopics(draft, dryRun, all),
  );
}

function codesOf({ faults }: RouteDryRun): Set<RejectCode> {
  return new Set([...faults.values()].flatMap((codes) => [...codes.keys()]));
}

function fixTime(draft: DraftRoute, dryRun: RouteDryRun): DraftRoute {
  if (![...codesOf(dryRun)].some((code) => BAD_TIME.has(code)) || draft.route.on_bad_time !== undefined)
    return draft;
  return {
    route: { ...draft.route, on_bad_time: 'received' },
    hints: [
      ...draft.hints,
      'some clocks are wrong (1970, or beyond time_window): their readings get the time of arrival',
    ],
  };
}

function fixDevice(draft: DraftRoute, dryRun: RouteDryRun): DraftRoute {
  const { device, device_path } = draft.route;
  if (!codesOf(dryRun).has('no_device') || device !== undefined || device_path !== undefined) return draft;
  const [topic = 'device'] = dryRun.topics;
  return {
    route: { ...draft.route, device: topic.replace(/[{}]/g, '_') },
    hints: [...draft.hints, 'no payload names the device: this name stands for all of them'],
  };
}

/** Fixes that follow from the values with certainty. Only for generic routes: an ecosystem's preset knows its units. */
function fixUnits(draft: DraftRoute, { metrics, devices }: RouteDryRun): DraftRoute {
  const pressure = metrics.get('pressure');
  const within = (from: number, to: number): boolean =>
    pressure !== undefined && pressure.min >= from && pressure.max <= to;
  const unit = within(30_000, 120_000) ? 'Pa' : within(60, 120) ? 'kPa' : undefined;
  const known = unit === undefined ? draft : withUnit(draft, 'pressure', unit, 'it becomes hPa');
  return isKelvin(devices) ? withUnit(known, 'temperature', 'K', 'it becomes °C') : known;
}

function withUnit(draft: DraftRoute, metric: string, unit: 'Pa' | 'kPa' | 'K', becomes: string): DraftRoute {
  const { route, hints } = draft;
  const field = route.fields?.[metric];
  if (route.preset !== undefined || field?.unit !== undefined || field?.linear !== undefined) return draft;
  return {
    route: { ...route, fields: { ...route.fields, [metric]: { ...field, unit } } },
    hints: [...hints, `${metric} looks like ${unit}: ${becomes}`],
  };
}

/** Adds the keys that the preset asks for. */
function fixByPreset(draft: DraftRoute, { devices }: RouteDryRun): DraftRoute {
  const fixed = presetNamed(draft.route.preset ?? '')?.fix?.(draft.route, devices);
  return fixed === undefined ? draft : { route: fixed.route, hints: [...draft.hints, fixed.hint] };
}

/**
 * `bedroom_temperature` of a device with no other temperature is its temperature, which rules and queries know. Only
 * if a topic names the metric: such names are chosen by users there.
 */
function fixNames(draft: DraftRoute, { devices }: RouteDryRun): DraftRoute {
  const { route, hints } = draft;
  const taken = new Set(Object.keys(route.metric_map ?? {}));
  if (!topicNamesMetric(route)) return draft;
  const candidates = new Set(
    [...devices.values()]
      .flatMap((names) => [...names.keys()])
      .filter((name) => coreSuffixOf(name) !== undefined),
  );
  const alone = [...candidates].filter((name) => {
    const core = coreSuffixOf(name);
    return [...devices.values()].every(
      (names) =>
        !names.has(name) ||
        [...names.keys()].every((one) => one === name || (one !== core && coreSuffixOf(one) !== core)),
    );
  });
  const found = alone.filter((name) => !taken.has(name)).slice(0, MAX_RENAMED);
  if (found.length === 0) return draft;
  const renamed = Object.fromEntries(found.map((name) => [name, coreSuffixOf(name) ?? name]));
  return {
    route: { ...route, metric_map: { ...route.metric_map, ...renamed } },
    hints: [
      ...new Set([
        ...hints,
        'metric_map: what a device has only one of takes the usual name, which rules and queries know',
      ]),
    ],
  };
}

function topicNamesMetric(route: RouteConfig): boolean {
  const { codec, topic } = effectiveConfig(route);
  return codec === 'scalar' || topicList(topic).some((text) => /\{metric(?:\.\.\.)?\}/.test(text));
}

/** Topics that never gave a number are ignored: by name of the metric where the topic has one, else one by one. */
function fixTopics(draft: DraftRoute, dryRun: RouteDryRun, all: DryRun): DraftRoute {
  const good = new Set(all.routes.flatMap((route) => [...route.good]));
  const ignore = new Set(draft.route.ignore);
  for (const [topic, codes] of dryRun.faults) {
    if (good.has(topic) || ![...codes.keys()].every((code) => NO_TELEMETRY.has(code))) continue;
    if (ignore.size >= MAX_IGNORED) break;
    const pattern = ignorePattern(draft.route, topic, good);
    if (pattern !== undefined) ignore.add(pattern);
  }
  const before = draft.route.ignore?.length ?? 0;
  return ignore.size === before ? draft : { ...draft, route: { ...draft.route, ignore: [...ignore] } };
}

function ignorePattern(route: RouteConfig, topic: string, good: ReadonlySet<string>): string | undefined {
  for (const text of topicList(effectiveConfig(route).topic)) {
    const parsed = parseTopicPattern(text);
    const captures = parsed.ok ? parsed.pattern.match(topic) : undefined;
    if (captures === undefined) continue;
    const wide = generalised(text, captures);
    const pattern = wide === undefined ? undefined : parseTopicPattern(wide);
    if (pattern?.ok === true && ![...good].some((one) => pattern.pattern.match(one) !== undefined))
      return wide;
    break;
  }
  // A topic with braces in it cannot be written as a pattern.
  return parseTopicPattern(topic).ok ? topic : undefined;
}

/** The route's pattern with this metric or component in it, whatever the device. */
function generalised(text: string, captures: ReadonlyMap<string, string>): string | undefined {
  const name = ['metric', 'component'].find((one) => captures.has(one));
  if (name === undefined) return undefined;
  return text
    .split('/')
    .map((level) => (level === `{${name}}` ? captures.get(name) : /^\{\w+\}$/.test(level) ? '+' : level))
    .join('/');
}
