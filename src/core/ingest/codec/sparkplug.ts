import type { Publish } from '../../reading.ts';
import type { Limits, MessageContext } from '../mapping/context.ts';
import { emptyDoc } from '../mapping/document.ts';
import { type Element, IGNORED } from '../mapping/draft.ts';
import { LossTally, setMetric } from '../mapping/losses.ts';
import type { RouteConfig } from '../route-config.ts';
import {
  type Codec,
  type CodecKind,
  type Payload,
  type PayloadReject,
  rejectPayload,
  type Inflate,
} from './codec.ts';
import { decompress } from './compression.ts';
import { type KnownMetric, SparkplugState } from './sparkplug-state.ts';
import { mayMeasure, metricValue } from './sparkplug-value.ts';
import {
  type SparkplugMetric,
  type SparkplugPayload,
  readSparkplug,
  rebirthCommand,
} from './sparkplug-wire.ts';
import { TooLarge } from './tree.ts';

const NAMESPACE = 'spBv1.0';
/** A rebirth of an edge node is requested at most this often: it may be unable to answer. */
const REBIRTH_EVERY_MS = 60_000;
/** The property `Quality` of a good value (section 6.4.16). */
const GOOD = 192;
/** The payload of an NDEATH holds bdSeq, and hardly more. */
const MOST_OF_A_DEATH = 100;
const NOT_METRICS = /^(?:bdSeq$|Node Control\/|Device Control\/)/;

interface Address {
  readonly prefix: string;
  readonly verb: string;
  readonly group: string;
  readonly node: string;
  /** '' for the edge node itself. */
  readonly device: string;
}

/** `spBv1.0/<group>/<verb>/<node>[/<device>]`, anywhere in the topic; undefined for anything else. */
export function sparkplugAddress(topic: string): Address | undefined {
  const levels = topic.split('/');
  const at = levels.indexOf(NAMESPACE);
  const [group, verb, node, device = '', ...rest] = at < 0 ? [] : levels.slice(at + 1);
  if (group === undefined || verb === undefined || node === undefined || rest.length > 0) return undefined;
  return { prefix: levels.slice(0, at + 1).join('/'), verb, group, node, device };
}

/** Only births and data carry measurements; deaths, commands and states are about availability. */
export function isSparkplugData(topic: string): boolean {
  const address = sparkplugAddress(topic);
  if (address === undefined) return false;
  const ofDevice = address.device !== '';
  return (ofDevice ? ['DBIRTH', 'DDATA'] : ['NBIRTH', 'NDATA']).includes(address.verb);
}

function readPayload(bytes: Uint8Array, maxMetrics: number): SparkplugPayload | PayloadReject {
  try {
    return readSparkplug(bytes, maxMetrics);
  } catch (error) {
    if (error instanceof TooLarge) return rejectPayload('too_many_readings');
    return rejectPayload('parse_error', 'not a Sparkplug B payload');
  }
}

interface Group {
  readonly time: number | bigint | null;
  readonly metrics: Record<string, unknown>;
}

class SparkplugCodec implements Codec {
  private state = new SparkplugState();
  private readonly requestRebirth: boolean;
  private readonly keepBadQuality: boolean;
  private readonly inflate: Inflate | undefined;

  constructor(config: RouteConfig, inflate: Inflate | undefined) {
    this.inflate = inflate;
    this.keepBadQuality = config.keep_bad_quality === true;
    this.requestRebirth = config.request_rebirth === true;
  }

  /** Births are received once: losing them would turn all following data by alias into dead letters. */
  inherit(before: Codec): void {
    if (before instanceof SparkplugCodec) this.state = before.state;
  }

  decode(bytes: Uint8Array, context: MessageContext): Payload {
    const address = isSparkplugData(context.topic) ? sparkplugAddress(context.topic) : undefined;
    if (address === undefined) return { kind: 'records', records: IGNORED };
    const payload = this.payload(bytes, context.limits);
    if ('kind' in payload) return payload;
    if (address.verb.endsWith('BIRTH')) this.learn(address, payload);
    return this.records(address, payload, context);
  }

  /** A broker may deliver the will of an earlier session after the birth of this one (section 6.4.17: bdSeq). */
  isCurrent(bytes: Uint8Array, topic: string): boolean {
    const address = sparkplugAddress(topic);
    if (address === undefined || address.verb !== 'NDEATH') return true;
    const payload = readPayload(bytes, MOST_OF_A_DEATH);
    const died = 'kind' in payload ? undefined : bdSeqOf(payload);
    const born = this.state.node(`${address.group}/${address.node}`)?.bdSeq;
    return died === undefined || born === undefined || died === born;
  }

  private payload(bytes: Uint8Array, limits: Limits): SparkplugPayload | PayloadReject {
    const outer = readPayload(bytes, limits.max_readings);
    if ('kind' in outer || outer.compressed === undefined) return outer;
    const { compressed } = outer;
    // The metric `algorithm` names GZIP or DEFLATE (RFC 1950), and so do the first bytes.
    const format = compressed[0] === 0x1f && compressed[1] === 0x8b ? 'gzip' : 'zlib';
    const plain = decompress(compressed, format, this.inflate, limits.max_decompressed);
    if ('kind' in plain) return plain;
    const inner = readPayload(plain, limits.max_readings);
    if ('kind' in inner || inner.compressed === undefined) return inner;
    return rejectPayload('unsupported', 'a compressed Sparkplug payload inside of another');
  }

  private learn(address: Address, { metrics }: SparkplugPayload): void {
    const node = this.state.birth(`${address.group}/${address.node}`, address.device, metrics);
    if (address.device === '') node.bdSeq = bdSeqOf({ metrics });
  }

  private records(address: Address, payload: SparkplugPayload, context: MessageContext): Payload {
    const groups = new Map<string, Group>();
    const losses = new LossTally();
    let unknown = 0;
    for (const metric of payload.metrics) {
      const known = this.resolve(address, metric);
      if (known === undefined) {
        unknown++;
        losses.drop(`alias ${metric.alias ?? 'missing'}`);
        continue;
      }
      const value = this.valueOf(metric, known, losses);
      if (value === undefined) continue;
      const time = metric.timestampMs ?? payload.timestampMs ?? null;
      const key = String(time);
      const group = groups.get(key) ?? { time, metrics: emptyDoc() };
      groups.set(key, group);
      setMetric(group.metrics, known.name, value, losses);
    }
    const edge = `${address.group}/${address.node}`;
    const [device, gateway] = address.device === '' ? [edge, undefined] : [`${edge}/${address.device}`, edge];
    const records: Element[] = [...groups.values()].map(({ time, metrics }) => ({
      record: NOTHING,
      metrics,
      device,
      gateway,
      time,
      timeUs: time === null ? undefined : Number(time) * 1000,
      verbatim: true,
    }));
    if (records.length === 0) records.push({ fault: unknown > 0 ? 'unknown_alias' : 'no_metrics' });
    const publish = unknown > 0 ? this.rebirth(address, context) : undefined;
    return { kind: 'records', records, losses: losses.names === undefined ? undefined : losses, publish };
  }

  /** The stored value of a metric; undefined if it has none or was dropped. */
  private valueOf(
    { value, transient, quality = GOOD }: SparkplugMetric,
    { name, datatype }: KnownMetric,
    losses: LossTally,
  ): number | bigint | boolean | undefined {
    if (value === undefined || transient || NOT_METRICS.test(name)) return undefined;
    if (quality !== GOOD && !this.keepBadQuality) {
      losses.drop(`${name}: quality ${quality}`);
      return undefined;
    }
    const found = metricValue(value, datatype);
    if (found === undefined && mayMeasure(value, datatype)) losses.drop(name);
    return found;
  }

  /** Name and type of a metric: from itself, or from the birth. */
  private resolve(address: Address, { name, alias, datatype }: SparkplugMetric): KnownMetric | undefined {
    const node = this.state.node(`${address.group}/${address.node}`);
    if (name !== undefined) return { name, datatype: datatype ?? node?.datatypeOf(address.device, name) };
    const known = alias === undefined ? undefined : node?.byAliasOf(alias);
    return known === undefined ? undefined : { name: known.name, datatype: datatype ?? known.datatype };
  }

  private rebirth(address: Address, { receivedAtUs }: MessageContext): Publish | undefined {
    if (!this.requestRebirth) return undefined;
    const nowMs = Math.floor(receivedAtUs / 1000);
    const node = this.state.nodeOrNew(`${address.group}/${address.node}`);
    if (nowMs - node.lastRebirthMs < REBIRTH_EVERY_MS) return undefined;
    node.lastRebirthMs = nowMs;
    const topic = `${address.prefix}/${address.group}/NCMD/${address.node}`;
    return { topic, payload: rebirthCommand(nowMs) };
  }
}

function bdSeqOf({ metrics }: Pick<SparkplugPayload, 'metrics'>): string | undefined {
  const found = metrics.find(({ name }) => name === 'bdSeq');
  const value = found?.value === undefined ? undefined : metricValue(found.value, found.datatype);
  return value === undefined ? undefined : String(value);
}

const NOTHING = emptyDoc();

export const sparkplug: CodecKind = {
  name: 'sparkplug-b',
  summary: 'Sparkplug B: births teach names and types, data refers to them by alias',
  device: 'own',
  create: (config, inflate) => new SparkplugCodec(config, inflate),
};
