import { FieldwatchError } from '../errors.ts';
import type { Decoded, Millis } from '../reading.ts';
import { type AvailabilityReader, AvailabilityTopics, statedAvailability } from './availability.ts';
import { type Codec, type PayloadReject, rejectPayload, type Inflate } from './codec/codec.ts';
import { decompress } from './codec/compression.ts';
import { codecNamed } from './codec/index.ts';
import { assemble, reject } from './mapping/assemble.ts';
import { type Mapping, compileMapping } from './mapping/compile.ts';
import type { Limits, MessageContext, TimeWindow } from './mapping/context.ts';
import { topicDevice, topicGateway } from './mapping/device.ts';
import { splitDocument } from './mapping/split.ts';
import { effectiveConfig, presetNamed } from './preset/index.ts';
import type { Preset } from './preset/preset.ts';
import type { RouteConfig } from './route-config.ts';
import { routeFaults } from './route-faults.ts';
import { type Captures, type TopicPattern, parseTopicPattern, reduceFilters, topicList } from './topic.ts';

const EMPTY = rejectPayload('empty_payload');
const TOO_LARGE = reject('too_large');
/** Topics cached with their route; a hot topic then costs one Map access. */
const MAX_REMEMBERED_TOPICS = 20_000;
const MAX_REMEMBERED_LENGTH = 512;

const IGNORED = reject('ignored');
const NO_MATCH = reject('no_match');

/** A message as the router wants it. */
export interface RoutedMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly receivedAtMs: number;
  /** The time of readings without one; by default `receivedAtMs`. */
  readonly arrivalUs?: number | undefined;
  readonly contentType?: string | undefined;
  /** The clock that `receivedAtMs` and `arrivalUs` are by was not compared with any other yet. */
  readonly clockUnknown?: boolean | undefined;
}

/** The part of the context common to all messages of one topic. */
export type TopicContext = Pick<MessageContext, 'topic' | 'captures' | 'topicDevice' | 'gateway' | 'metric'>;

function patterns(texts: readonly string[]): TopicPattern[] {
  return texts.map((text) => {
    const parsed = parseTopicPattern(text);
    if (!parsed.ok)
      throw new FieldwatchError(`topic pattern "${text}": ${parsed.message}`, {
        code: 'ROUTE_INVALID',
        kind: 'config',
      });
    return parsed.pattern;
  });
}

export interface RouteOptions {
  readonly limits: Limits;
  readonly timeWindow: TimeWindow;
  readonly inflate?: Inflate | undefined;
}

/** One compiled route. */
export class Route {
  readonly topics: readonly TopicPattern[];
  private readonly config: RouteConfig;
  private readonly ignore: readonly TopicPattern[];
  /** Patterns of `ignore` that the route states itself. */
  private readonly unwanted: readonly TopicPattern[];
  private readonly rest: readonly TopicPattern[];
  private readonly preset: Preset | undefined;
  /** Topics that the route states itself come before its telemetry, those that its preset knows after that of all routes. */
  readonly stated: AvailabilityTopics;
  readonly known: AvailabilityTopics;
  readonly codec: Codec;
  /** Survives a reload if the route reads the same topics in the same format. */
  readonly identity: string;
  private readonly mapping: Mapping;
  private readonly inflate: Inflate | undefined;

  constructor(written: RouteConfig, options: RouteOptions) {
    const { limits, timeWindow } = options;
    const config = effectiveConfig(written);
    const preset = written.preset === undefined ? undefined : presetNamed(written.preset);
    const kind = codecNamed(config.codec ?? 'json');
    if (kind === undefined)
      throw new FieldwatchError(`unknown codec ${config.codec}`, { code: 'ROUTE_INVALID', kind: 'config' });
    this.config = config;
    this.inflate = options.inflate;
    this.preset = preset;
    this.topics = patterns(topicList(config.topic));
    this.unwanted = patterns(written.ignore ?? []);
    this.ignore = [...patterns(preset?.ignore?.(written) ?? []), ...this.unwanted];
    this.rest = patterns(preset?.rest?.(written) ?? []);
    const stated = statedAvailability(written);
    this.stated = new AvailabilityTopics(stated ?? [], config);
    this.known = new AvailabilityTopics(
      stated === undefined ? (preset?.availability?.(config) ?? []) : [],
      config,
    );
    this.codec = kind.create(config, options.inflate);
    this.identity = JSON.stringify([kind.name, topicList(config.topic)]);
    const ownShape = written.metrics_path !== undefined || written.pivot !== undefined;
    this.mapping = compileMapping(
      config,
      limits,
      timeWindow,
      ownShape ? undefined : preset?.shape?.(written),
    );
  }

  /** The route's decision on `topic`: read it, ignore it, or leave it to the next one. */
  match(topic: string): TopicContext | 'ignored' | undefined {
    if (this.ignore.some((pattern) => pattern.match(topic) !== undefined)) return 'ignored';
    for (const pattern of this.topics) {
      const captures = pattern.match(topic);
      if (captures === undefined) continue;
      return this.preset?.ignores?.(topic) === true ? 'ignored' : this.contextOf(topic, captures);
    }
    return undefined;
  }

  /** The reader for a topic by which the ecosystem reports whether a device is online. */
  knownAvailability(topic: string): AvailabilityReader | undefined {
    const read = this.known.readerOf(topic);
    if (read === undefined || this.unwanted.some((pattern) => pattern.match(topic) !== undefined))
      return undefined;
    return (payload) => (this.codec.isCurrent?.(payload, topic) === false ? undefined : read(payload));
  }

  /** True if `topic` belongs to the route's ecosystem without being telemetry. Called when no route matches it. */
  isRest(topic: string): boolean {
    return this.rest.some((pattern) => pattern.match(topic) !== undefined);
  }

  private contextOf(topic: string, captures: Captures): TopicContext {
    return {
      topic,
      captures,
      topicDevice: topicDevice(this.mapping.assembly.device, captures),
      gateway: topicGateway(this.config.gateway, captures),
      metric: this.config.metric ?? captures.get('metric'),
    };
  }

  decode(context: MessageContext, payload: Uint8Array): Decoded {
    if (payload.length === 0) return EMPTY;
    if (payload.length > context.limits.max_payload) return TOO_LARGE;
    const bytes = this.plainBytes(payload, context.limits);
    if ('kind' in bytes) return bytes;
    const decoded = this.codec.decode(bytes, context);
    if (decoded.kind === 'reject') return decoded;
    const { split, assembly } = this.mapping;
    if (decoded.kind === 'records') {
      const result = assemble(assembly, decoded.records, context, decoded.losses);
      return decoded.publish === undefined ? result : { ...result, publish: decoded.publish };
    }
    const elements = splitDocument(split, decoded.value, context);
    return 'reject' in elements ? reject(elements.reject) : assemble(assembly, elements, context);
  }

  private plainBytes(payload: Uint8Array, limits: Limits): Uint8Array | PayloadReject {
    const { compression } = this.config;
    if (compression === undefined) return payload;
    const bytes = decompress(payload, compression, this.inflate, limits.max_decompressed);
    return 'kind' in bytes || bytes.length > 0 ? bytes : EMPTY;
  }
}

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
  /** Messages that gave none, counted in the same way. */
  readonly refused: Float64Array;
  /** MQTT filters to subscribe to, without those that another one covers. */
  readonly filters: readonly string[];
  /** Decodes a message with the first matching route. Never throws. */
  decode(message: RoutedMessage): Decoded;
  /** Codecs with their learnt state, by the identity of the route: for the router of the next configuration. */
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
  // D15: topics of an ecosystem that are no telemetry are ignored, unless a later route wants them.
  return { route: undefined, result: routes.some((route) => route.isRest(topic)) ? IGNORED : NO_MATCH };
}

function forgetOldest(remembered: Map<string, Match>): void {
  for (const topic of remembered.keys()) {
    remembered.delete(topic);
    return;
  }
}
