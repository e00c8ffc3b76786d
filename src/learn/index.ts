import { metricUnit } from '../core/metric-unit.ts';
import { presetNamed } from '../core/ingest/preset/index.ts';
import { type Observed, isWritable, observe } from '../core/ingest/preset/samples.ts';
import type { RouteConfig } from '../core/ingest/route-config.ts';
import { type RouterOptions, compileRoutes } from '../core/ingest/route.ts';
import { type DraftRoute, autoFix } from './auto-fix.ts';
import { unitDoubts } from './doubtful-units.ts';
import { type RouteDryRun, type DryRun, tryRoutes } from './dry-run.ts';
import { localTimeOf, recogniseEcosystems } from './ecosystems.ts';
import type { Gathering } from './gathering.ts';
import { genericRoutes } from './generic-routes.ts';
import { groupedBy } from '../core/grouped.ts';
import type { Learned, LearnedRoute, Reason } from './learned.ts';
import { type LocalTime, zoneOf } from './local-time.ts';
import { reasonToLeave } from './non-telemetry.ts';
import { proposeRules } from './propose-rules.ts';
import type { Series } from './series.ts';
import { byStatedUnits } from './stated-units.ts';

export interface LearnOptions extends RouterOptions {
  /** IANA name of the time zone of this machine. */
  readonly timezone?: string | undefined;
}

/** A fix may uncover the next fault; after this many rounds the rest is reported. */
const ROUNDS = 4;
const MANY_EXAMPLES = 3;
const NAMELESS = 'nothing in topic or payload names a device, or there are too many unlike topics';

/**
 * Derives routes from the received messages: ecosystems that a preset recognises, then other payloads by the
 * structure of their topics. The routes are tried on the samples and fixed until no dead letter is left, or the rest
 * is reported.
 */
export function learn(gathering: Gathering, options: LearnOptions): Learned {
  const samples = gathering.samples.map((one) => observe(one, options.limits, options.inflate));
  const { drafts, unreadable } = repaired(draftRoutes(samples, options), samples, options);
  const routes = drafts.map(({ route }) => route);
  const dryRun = tryRoutes(routes, samples, options);
  const used = drafts.map((draft, at) => learnedRoute(draft, dryRun.routes[at], gathering));
  const isKnown = (message: Observed): boolean => reasonToLeave(message) !== undefined;
  const left = dryRun.unread.filter(isKnown);
  const strange = dryRun.unread.filter((message) => !isKnown(message));
  const why = ({ topic }: Observed): string =>
    unreadable.get(topic) ??
    (isWritable(topic) ? NAMELESS : 'its topic cannot be written in a configuration');
  return {
    messages: gathering.messages,
    topics: gathering.counts.size,
    seconds: gathering.spanMs / 1000,
    overlooked: gathering.overlooked,
    routes: used,
    rules: proposeRules(devicesOf(dryRun), gathering),
    leftOut: [...ignoredReason(dryRun), ...reasonsOf(left, (message) => reasonToLeave(message) ?? '')],
    notPlaced: [...reasonsOf(strange, why), ...used.flatMap(({ faults }) => faults)],
  };
}

/** Series of the devices of all routes. A device that two of them read has the series of both. */
function devicesOf({ routes }: DryRun): Map<string, Map<string, Series>> {
  const devices = new Map<string, Map<string, Series>>();
  for (const route of routes)
    for (const [device, series] of route.devices)
      devices.set(device, new Map([...(devices.get(device) ?? []), ...series]));
  return devices;
}

function draftRoutes(samples: readonly Observed[], options: LearnOptions): DraftRoute[] {
  const writable = samples.filter(({ topic }) => isWritable(topic));
  const ecosystems = recogniseEcosystems(writable, options);
  const known = byOpenness(ecosystems.map(({ route }) => route));
  const dryRun = tryRoutes(known, samples, options);
  const presets = known.map((route) => withZone({ route, hints: [] }, presetTimes(route, samples), options));
  const rest = dryRun.unread.filter((one) => isWritable(one.topic) && reasonToLeave(one) === undefined);
  const own = genericRoutes(rest);
  const readBy = samplesBy(
    own.map(({ route }) => route),
    rest,
    options,
  );
  const drafts = own.flatMap(({ route, localTimes }, at) =>
    byStatedUnits(route, readBy.get(at) ?? []).map((one) => withZone(one, localTimes, options)),
  );
  return [...presets, ...drafts];
}

/** The samples that each route reads, by its place. */
function samplesBy(
  routes: readonly RouteConfig[],
  samples: readonly Observed[],
  options: LearnOptions,
): Map<number, Observed[]> {
  const router = compileRoutes(routes, options);
  const place = groupedBy(samples, ({ topic }) => router.routeOf(topic));
  return new Map([...place].flatMap(([at, list]) => (typeof at === 'number' ? [[at, list] as const] : [])));
}

/** A topic that starts with a wildcard would take what belongs to the others: such routes come last. */
function byOpenness(routes: readonly RouteConfig[]): RouteConfig[] {
  const isOpen = ({ preset, ...config }: RouteConfig): boolean => {
    const topic = config.topic ?? presetNamed(preset ?? '')?.defaults({ preset, ...config }).topic ?? '';
    return [topic].flat().some((text) => /^[{+#]/.test(text));
  };
  return [...routes.filter((route) => !isOpen(route)), ...routes.filter(isOpen)];
}

function presetTimes(route: RouteConfig, samples: readonly Observed[]): LocalTime[] {
  return samples.flatMap((message) => {
    // A retained message may be of any age: it is no evidence about the clock.
    const text = message.retain ? undefined : localTimeOf(route, message);
    return text === undefined ? [] : [{ text, receivedAtMs: message.receivedAtMs }];
  });
}

function withZone(
  draft: DraftRoute,
  times: readonly LocalTime[],
  { timezone: here }: LearnOptions,
): DraftRoute {
  const zone = zoneOf(times, here);
  if (zone === undefined) return draft;
  const hint = zone.isName
    ? 'times come without an offset; the time zone of this machine fits them'
    : 'times come without an offset; write the zone (such as Europe/Berlin) where clocks change twice a year';
  return { route: { ...draft.route, timezone: zone.timezone }, hints: [...draft.hints, hint] };
}

/** The routes as they leave no dead letter, and the topics that stay unreadable, with the reason. */
interface AutoFixed {
  readonly drafts: readonly DraftRoute[];
  readonly unreadable: ReadonlyMap<string, string>;
}

function repaired(
  drafts: readonly DraftRoute[],
  samples: readonly Observed[],
  options: LearnOptions,
): AutoFixed {
  let current = drafts;
  const unreadable = new Map<string, string>();
  for (let round = 0; round < ROUNDS; round++) {
    const dryRun = tryRoutes(
      current.map(({ route }) => route),
      samples,
      options,
    );
    const next = current.flatMap((draft, at) => {
      const found = dryRun.routes[at];
      if (found === undefined) return [];
      if (!isMute(draft, found)) return [autoFix(draft, found, dryRun)];
      for (const [topic, codes] of found.faults) unreadable.set(topic, explained([...codes.keys()][0] ?? ''));
      return [];
    });
    const isDone = next.length === current.length && next.every((draft, at) => draft === current[at]);
    current = next;
    if (isDone) break;
  }
  return { drafts: current, unreadable };
}

/** A guess that reads nothing, or whose topics another route reads. What was only retained may yet come live. */
const isMute = ({ route }: DraftRoute, { good, faults, messages }: RouteDryRun): boolean =>
  route.preset === undefined && good.size === 0 && (faults.size > 0 || messages === 0) && !isFixable(faults);

const isFixable = (faults: RouteDryRun['faults']): boolean =>
  [...faults.values()].every((codes) =>
    [...codes.keys()].every((code) => ['no_device', 'bad_time', 'time_out_of_range'].includes(code)),
  ) && faults.size > 0;

function learnedRoute(
  { route, hints }: DraftRoute,
  dryRun: RouteDryRun | undefined,
  gathering: Gathering,
): LearnedRoute {
  const topics = [...(dryRun?.topics ?? [])];
  const messages = topics.reduce((sum, topic) => sum + (gathering.counts.get(topic) ?? 0), 0);
  const minutes = gathering.spanMs / 60_000;
  const metrics = [...(dryRun?.metrics ?? [])].map(([name, { count, min, max }]) => {
    return { name, unit: metricUnit(name, max), values: count, min, max };
  });
  return {
    route,
    ecosystem: route.preset === undefined ? undefined : presetNamed(route.preset)?.summary,
    messages,
    topics: topics.length,
    perMinute: minutes > 0 ? messages / minutes : undefined,
    devices: [...(dryRun?.devices.keys() ?? [])],
    metrics,
    hints: [...hints, ...hintsOf(route, dryRun)],
    faults: dryRun === undefined ? [] : faultsOf(dryRun),
  };
}

/** Hints for the operator about an ecosystem. */
function hintsOf(route: RouteConfig, dryRun: RouteDryRun | undefined): string[] {
  const hints = dryRun === undefined ? [] : unitDoubts(route, dryRun.devices);
  if ((dryRun?.messages ?? 0) === 0)
    hints.push('it is there, but nothing was measured meanwhile: many send every five minutes only');
  const contested = [...(dryRun?.contested ?? [])];
  if (contested.length > 0)
    hints.push(
      `several values at one time for one device: ${contested.slice(0, MANY_EXAMPLES).join(', ')}; ` +
        'the member of the payload that distinguishes them is the device (device_path) or part of the metric (pivot, metric)',
    );
  const own = presetNamed(route.preset ?? '')?.hint?.(route);
  return own === undefined ? hints : [...hints, own];
}

function faultsOf(dryRun: RouteDryRun): Reason[] {
  const byCode = new Map<string, { messages: number; topics: string[] }>();
  for (const [topic, codes] of dryRun.faults)
    for (const [code, count] of codes) {
      const known = byCode.get(code) ?? { messages: 0, topics: [] };
      byCode.set(code, { messages: known.messages + count, topics: [...known.topics, topic] });
    }
  return [...byCode].map(([code, { messages, topics }]) => ({
    reason: explained(code),
    messages,
    topics: topics.length,
    examples: topics.slice(0, MANY_EXAMPLES),
  }));
}

const EXPLAINED: Readonly<Record<string, string>> = {
  unknown_alias: 'its birth was not received; request_rebirth: true requests it from the node',
  not_a_number: 'some of its values are no numbers',
  parse_error: 'some of its payloads are broken',
  no_metrics: 'some of its messages hold no number',
  bad_device: 'its device is no name that can be stored',
};

const explained = (code: string): string => `${code}: ${EXPLAINED[code] ?? 'the route cannot read it'}`;

function reasonsOf(list: readonly Observed[], why: (message: Observed) => string): Reason[] {
  return [...groupedBy(list, why)].map(([reason, group]) => reasonOf(reason, group));
}

function reasonOf(reason: string, list: readonly Observed[]): Reason {
  const topics = [...new Set(list.map(({ topic }) => topic))];
  return { reason, messages: list.length, topics: topics.length, examples: topics.slice(0, MANY_EXAMPLES) };
}

function ignoredReason({ ignored }: DryRun): Reason[] {
  if (ignored === 0) return [];
  const reason = 'no telemetry: what the presets and the ignore lists above leave out';
  return [{ reason, messages: ignored, topics: 0, examples: [] }];
}
