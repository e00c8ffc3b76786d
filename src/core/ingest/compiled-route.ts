import { FieldwatchError } from '../errors.ts';
import type { Decoded } from '../reading.ts';
import { type AvailabilityReader, AvailabilityTopics, statedAvailability } from './availability.ts';
import { type Codec, type PayloadReject, rejectPayload, type Inflate } from './codec/codec.ts';
import { decompress } from './codec/compression.ts';
import { codecNamed } from './codec/index.ts';
import { assemble, reject } from './mapping/assemble.ts';
import { type Mapping, compileMapping } from './mapping/compile.ts';
import type { Limits, MessageContext, TimeWindow } from './mapping/context.ts';
import { topicDevice, topicGateway } from './mapping/device.ts';
import { splitDocument } from './mapping/split.ts';
import { presetNamed } from './preset/index.ts';
import type { Preset } from './preset/preset.ts';
import type { RouteConfig } from './route-config.ts';
import { type Captures, type TopicPattern, parseTopicPattern, topicList } from './topic.ts';

const EMPTY = rejectPayload('empty_payload');
const TOO_LARGE = reject('too_large');

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

/**
 * The route with its preset's keys under its own. Writing one way to name the device takes the preset's other away;
 * fields, names and keys to skip add to the preset's.
 */
export function effectiveConfig(config: RouteConfig): RouteConfig {
  const preset = config.preset === undefined ? undefined : presetNamed(config.preset);
  if (preset === undefined) return config;
  const defaults = preset.defaults(config);
  const written = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
  const ownDevice = config.device !== undefined || config.device_path !== undefined;
  return {
    ...defaults,
    ...(ownDevice ? { device: undefined, device_path: undefined } : {}),
    ...written,
    fields: { ...defaults.fields, ...config.fields },
    metric_map: { ...defaults.metric_map, ...config.metric_map },
    skip: [...(defaults.skip ?? []), ...(config.skip ?? [])],
  };
}

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
  /** Those of them that the route states itself. */
  private readonly unwanted: readonly TopicPattern[];
  private readonly rest: readonly TopicPattern[];
  private readonly preset: Preset | undefined;
  /** What the route states itself comes before its telemetry, what its preset knows after that of all routes. */
  readonly stated: AvailabilityTopics;
  readonly known: AvailabilityTopics;
  readonly codec: Codec;
  /** The same before and after a reload, if the route reads the same topics in the same format. */
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

  /** What the route does with `topic`: read it, ignore it, or leave it to the next one. */
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
