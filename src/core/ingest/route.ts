import { FieldwatchError } from '../errors.ts';
import type { Decoded, Millis } from '../reading.ts';
import type { AvailabilityReader } from './availability.ts';
import type { Codec, Inflate } from './codec/codec.ts';

import { Route, type RoutedMessage, type TopicContext } from './compiled-route.ts';
import { reject } from './mapping/assemble.ts';
import type { Limits, TimeWindow } from './mapping/context.ts';
import type { RouteConfig } from './route-config.ts';
import { routeFaults } from './route-faults.ts';
import { reduceFilters, topicList } from './topic.ts';

/** Topics cached with their route; a hot topic then costs one Map access. */
const MAX_REMEMBERED_TOPICS = 20_000;
const MAX_REMEMBERED_LENGTH = 512;

const IGNORED = reject('ignored');
const NO_MATCH = reject('no_match');

/** A route as a source of messages, for the monitor of stale routes. */
export interface WatchedRoute {
  /** The first topic, or the preset; unique among the routes. */
  readonly name: string;
  readonly silentAfter: Millis | 'auto' | undefined;
}

export interface Router {
  readonly watchedRoutes: readonly WatchedRoute[];
  /** Messages that gave readings, by the index of their feed: counted here, so that a message needs no object for it. */
  readonly delivered: Float64Array;
  /** The same of messages of a route that gave none. */
  readonly refused: Float64Array;
  /** MQTT filters to subscribe to, without those that another one covers. */
  readonly filters: readonly string[];
  /** What the first matching route makes of a message. Never throws. */
  decode(message: RoutedMessage): Decoded;
  /** What the routes have learnt, by their identity: for the router of the next configuration. */
  readonly codecs: ReadonlyMap<string, Codec>;
  /** Which route reads a topic, by its place in the list; or why none does. */
  routeOf(topic: string): number | 'ignored' | 'no_match';
}

export interface RouterOptions {
  readonly limits: Limits;
  readonly timeWindow: TimeWindow;
  /** Decompression comes from outside; without it compressed payloads are `unsupported`. */
  readonly inflate?: Inflate | undefined;
}

type Match =
  | { readonly route: Route; readonly index: number; readonly topic: TopicContext }
  | { readonly route: undefined; readonly result: Decoded }
  | { readonly route: undefined; readonly result: 'availability'; readonly read: AvailabilityReader };

/**
 * Compiles routes in their order; the first that matches a topic decides. Throws at a fault, naming route and key.
 * What the codecs of `before` have learnt goes on in routes of the same topics and format.
 */
export function compileRoutes(
  configs: readonly RouteConfig[],
  options: RouterOptions,
  before?: Pick<Router, 'codecs'>,
): Router {
  for (const [index, config] of configs.entries()) {
    const [fault] = routeFaults(config);
    if (fault !== undefined)
      throw new FieldwatchError(`routes[${index}].${fault.path.join('.')}: ${fault.message}`, {
        code: 'ROUTE_INVALID',
        kind: 'config',
      });
  }
  const routes = configs.map((config) => new Route(config, options));
  for (const { codec, identity } of routes) {
    const earlier = before?.codecs.get(identity);
    if (earlier !== undefined) codec.inherit?.(earlier);
  }
  const filters = routes.flatMap(({ topics, stated, known }) => [
    ...topics.map((pattern) => pattern.filter),
    ...stated.filters,
    ...known.filters,
  ]);
  const remembered = new Map<string, Match>();
  const delivered = new Float64Array(routes.length);
  const refused = new Float64Array(routes.length);
  const matchOf = (topic: string): Match => {
    const match = findMatch(routes, topic);
    if (topic.length > MAX_REMEMBERED_LENGTH) return match;
    if (remembered.size >= MAX_REMEMBERED_TOPICS) forgetOldest(remembered);
    remembered.set(topic, match);
    return match;
  };
  const watchedRoutes = watchedRoutesOf(configs);
  return {
    watchedRoutes,
    codecs: new Map(routes.map(({ identity, codec }) => [identity, codec])),
    delivered,
    refused,
    filters: reduceFilters(filters),
    routeOf: (topic) => {
      const match = findMatch(routes, topic);
      if (match.route !== undefined) return match.index;
      return match.result === NO_MATCH ? 'no_match' : 'ignored';
    },
    decode: (message) => {
      const match = remembered.get(message.topic) ?? matchOf(message.topic);
      if (match.route === undefined)
        return match.result === 'availability' ? availabilityOf(match.read, message) : match.result;
      const result = run(match, message, options.limits);
      if (result.kind === 'reject') (refused[match.index] as number) += 1;
      // A retained message is no sign of life.
      if (result.kind === 'readings' && !message.retain) (delivered[match.index] as number) += 1;
      return result.kind === 'readings' && result.losses !== undefined
        ? { ...result, route: watchedRoutes[match.index]?.name ?? '' }
        : result;
    },
  };
}

function availabilityOf(read: AvailabilityReader, { payload }: RoutedMessage): Decoded {
  const said = read(payload);
  return said === undefined ? IGNORED : { kind: 'reject', code: 'ignored', availability: said };
}

function watchedRoutesOf(configs: readonly RouteConfig[]): WatchedRoute[] {
  const seen = new Map<string, number>();
  return configs.map(({ preset, topic, silent_after: silentAfter }) => {
    const base = topicList(topic)[0] ?? preset ?? 'route';
    const times = (seen.get(base) ?? 0) + 1;
    seen.set(base, times);
    return { name: times === 1 ? base : `${base} #${times}`, silentAfter };
  });
}

function run(match: Match & { route: Route }, message: RoutedMessage, limits: Limits): Decoded {
  const { topic, captures, topicDevice, gateway, metric } = match.topic;
  return match.route.decode(
    {
      topic,
      captures,
      topicDevice,
      gateway,
      metric,
      receivedAtUs: message.arrivalUs ?? message.receivedAtMs * 1000,
      clockUnknown: message.clockUnknown,
      retain: message.retain,
      contentType: message.contentType,
      limits,
    },
    message.payload,
  );
}

function findMatch(routes: readonly Route[], topic: string): Match {
  for (const [index, route] of routes.entries()) {
    const stated = route.stated.readerOf(topic);
    if (stated !== undefined) return { route: undefined, result: 'availability', read: stated };
    const found = route.match(topic);
    if (found !== undefined && found !== 'ignored') return { route, index, topic: found };
    if (found === undefined) continue;
    const read = route.knownAvailability(topic);
    if (read === undefined) return { route: undefined, result: IGNORED };
    return { route: undefined, result: 'availability', read };
  }
  for (const route of routes) {
    const read = route.knownAvailability(topic);
    if (read !== undefined) return { route: undefined, result: 'availability', read };
  }
  // D15: what lives beside an ecosystem's telemetry is ignored, unless a later route wants it.
  return { route: undefined, result: routes.some((route) => route.isRest(topic)) ? IGNORED : NO_MATCH };
}

function forgetOldest(remembered: Map<string, Match>): void {
  for (const topic of remembered.keys()) {
    remembered.delete(topic);
    return;
  }
}
