import type protobuf from 'protobufjs';
import { protobufLibrary } from './library.ts';
import { longValue } from './protobuf-tree.ts';
import { TooLarge, fromFloat32 } from './tree.ts';

/**
 * The Sparkplug B payload, read by the field numbers of the specification (3.0, chapter 6), field by field: data is
 * frequent, and a payload of empty metrics would create a million objects before they could be counted. What is not
 * stored (properties but `Quality`, data sets, templates, metadata, bytes) is skipped on the wire.
 */
export interface SparkplugMetric {
  readonly name: string | undefined;
  readonly alias: string | undefined;
  readonly timestampMs: number | bigint | undefined;
  readonly datatype: number | undefined;
  readonly transient: boolean;
  readonly value: SparkplugValue | undefined;
  /** The property `Quality`: 192 is good, 0 bad, 500 stale; undefined if it is not sent, which is good. */
  readonly quality: number | undefined;
}

/** A value as it is on the wire; its meaning depends on the datatype, which may be in the birth only. */
export type SparkplugValue =
  | { readonly kind: 'integer'; readonly bits: bigint }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'text' }
  /** Bytes, a data set or a template: not read. */
  | { readonly kind: 'compound' };

export interface SparkplugPayload {
  readonly timestampMs: number | bigint | undefined;
  readonly metrics: readonly SparkplugMetric[];
  /** Another payload, compressed: a habit of Tahu that the specification does not know. */
  readonly compressed: Uint8Array | undefined;
}

const PAYLOAD = { timestamp: 1, metrics: 2, uuid: 4, body: 5 } as const;
const COMPRESSED = 'SPBV1.0_COMPRESSED';

/** Throws at bytes that are no Sparkplug payload, and at more than `maxMetrics`. */
export function readSparkplug(bytes: Uint8Array, maxMetrics: number): SparkplugPayload {
  const reader = protobufLibrary().Reader.create(bytes);
  let timestampMs: number | bigint | undefined;
  let isCompressed = false;
  let body: Uint8Array | undefined;
  const metrics: SparkplugMetric[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    switch (tag) {
      case tagOf(PAYLOAD.timestamp, VARINT):
        timestampMs = longValue(reader.uint64());
        break;
      case tagOf(PAYLOAD.metrics, LENGTH):
        if (metrics.length === maxMetrics) throw new TooLarge();
        metrics.push(readMetric(reader, endOf(reader)));
        break;
      case tagOf(PAYLOAD.uuid, LENGTH):
        isCompressed = reader.string() === COMPRESSED;
        break;
      case tagOf(PAYLOAD.body, LENGTH):
        body = reader.bytes();
        break;
      default:
        skip(reader, tag);
    }
  }
  return { timestampMs, metrics, compressed: isCompressed ? (body ?? new Uint8Array()) : undefined };
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;
const tagOf = (field: number, wire: number): number => field * 8 + wire;

function endOf(reader: protobuf.Reader): number {
  const end = reader.uint32() + reader.pos;
  if (end > reader.len) throw new RangeError('a metric ends behind the payload');
  return end;
}

function skip(reader: protobuf.Reader, tag: number): void {
  if (tag < 8) throw new RangeError('field 0');
  reader.skipType(tag & 7);
}

type Draft = { -readonly [Key in keyof SparkplugMetric]: SparkplugMetric[Key] };

function readMetric(reader: protobuf.Reader, end: number): SparkplugMetric {
  const metric: Draft = {
    name: undefined,
    alias: undefined,
    timestampMs: undefined,
    datatype: undefined,
    transient: false,
    value: undefined,
    quality: undefined,
  };
  let isNull = false;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === tagOf(7, VARINT)) isNull = reader.bool();
    else if (tag === tagOf(9, LENGTH)) metric.quality = readQuality(reader, endOf(reader)) ?? metric.quality;
    else if (!readIdentity(reader, tag, metric)) {
      const value = readValue(reader, tag);
      if (value !== undefined) metric.value = value;
    }
  }
  if (reader.pos !== end) throw new RangeError('a metric is longer than it says');
  if (isNull) metric.value = undefined;
  return metric;
}

/** The value of `Quality` in a property set, which holds keys and values in two lists of the same order. */
function readQuality(reader: protobuf.Reader, end: number): number | undefined {
  let key = 0;
  let qualityAt = -1;
  const values: (number | undefined)[] = [];
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === tagOf(1, LENGTH)) {
      if (reader.string() === 'Quality') qualityAt = key;
      key++;
    } else if (tag === tagOf(2, LENGTH)) values.push(readInteger(reader, endOf(reader)));
    else skip(reader, tag);
  }
  if (reader.pos !== end) throw new RangeError('a property set is longer than it says');
  return values[qualityAt];
}

/** The int_value or long_value of a property. */
function readInteger(reader: protobuf.Reader, end: number): number | undefined {
  let value: number | undefined;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === tagOf(3, VARINT)) value = reader.uint32();
    else if (tag === tagOf(4, VARINT)) value = Number(longValue(reader.uint64()));
    else skip(reader, tag);
  }
  if (reader.pos !== end) throw new RangeError('a property is longer than it says');
  return value;
}

/** name, alias, timestamp, datatype, is_transient; false for any other field. */
function readIdentity(reader: protobuf.Reader, tag: number, metric: Draft): boolean {
  switch (tag) {
    case tagOf(1, LENGTH):
      metric.name = reader.string() || undefined;
      return true;
    case tagOf(2, VARINT):
      metric.alias = longValue(reader.uint64()).toString();
      return true;
    case tagOf(3, VARINT):
      metric.timestampMs = longValue(reader.uint64());
      return true;
    case tagOf(4, VARINT):
      metric.datatype = reader.uint32();
      return true;
    case tagOf(6, VARINT):
      metric.transient = reader.bool();
      return true;
    default:
      return false;
  }
}

/** The value fields 10 to 18; anything else is skipped. */
function readValue(reader: protobuf.Reader, tag: number): SparkplugValue | undefined {
  switch (tag) {
    case tagOf(10, VARINT):
      return { kind: 'integer', bits: BigInt(reader.uint32()) };
    case tagOf(11, VARINT):
      return { kind: 'integer', bits: BigInt(longValue(reader.uint64())) };
    case tagOf(12, FIXED32):
      return { kind: 'number', value: fromFloat32(reader.float()) };
    case tagOf(13, FIXED64):
      return { kind: 'number', value: reader.double() };
    case tagOf(14, VARINT):
      return { kind: 'boolean', value: reader.bool() };
    case tagOf(15, LENGTH):
      reader.string();
      return { kind: 'text' };
    case tagOf(16, LENGTH):
    case tagOf(17, LENGTH):
    case tagOf(18, LENGTH):
      skip(reader, tag);
      return { kind: 'compound' };
    default:
      skip(reader, tag);
      return undefined;
  }
}

/** `NCMD` with `Node Control/Rebirth` (section 6.4.25): requests the births of an edge node. */
export function rebirthCommand(timestampMs: number): Uint8Array {
  const BOOLEAN = 11;
  return protobufLibrary()
    .Writer.create()
    .uint32(tagOf(PAYLOAD.timestamp, VARINT))
    .uint64(timestampMs)
    .uint32(tagOf(PAYLOAD.metrics, LENGTH))
    .fork()
    .uint32(tagOf(1, LENGTH))
    .string('Node Control/Rebirth')
    .uint32(tagOf(3, VARINT))
    .uint64(timestampMs)
    .uint32(tagOf(4, VARINT))
    .uint32(BOOLEAN)
    .uint32(tagOf(14, VARINT))
    .bool(true)
    .ldelim()
    .finish();
}
