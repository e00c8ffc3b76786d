import protobuf from 'protobufjs';
import { longValue } from './protobuf-tree.ts';
import { fromFloat32 } from './tree.ts';

/**
 * The Sparkplug B payload, by the field numbers of the specification (3.0, chapter 6). What is not stored (property
 * sets, data sets, templates, metadata) is left out, and skipped on the wire.
 */
const SCHEMA = `
syntax = "proto2";
message Metric {
  optional string name = 1;
  optional uint64 alias = 2;
  optional uint64 timestamp = 3;
  optional uint32 datatype = 4;
  optional bool is_historical = 5;
  optional bool is_transient = 6;
  optional bool is_null = 7;
  optional uint32 int_value = 10;
  optional uint64 long_value = 11;
  optional float float_value = 12;
  optional double double_value = 13;
  optional bool boolean_value = 14;
  optional string string_value = 15;
}
message Payload {
  optional uint64 timestamp = 1;
  repeated Metric metrics = 2;
  optional uint64 seq = 3;
  optional string uuid = 4;
}`;

const { root } = protobuf.parse(SCHEMA, { keepCase: true });
const PayloadType = root.lookupType('Payload');

export interface SparkplugMetric {
  readonly name: string | undefined;
  readonly alias: string | undefined;
  readonly timestampMs: number | bigint | undefined;
  readonly datatype: number | undefined;
  readonly transient: boolean;
  readonly value: SparkplugValue | undefined;
}

/** A value as it is on the wire; the datatype, which may be in the birth only, says what it means. */
export type SparkplugValue =
  | { readonly kind: 'integer'; readonly bits: bigint }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'text' };

export interface SparkplugPayload {
  readonly timestampMs: number | bigint | undefined;
  readonly metrics: readonly SparkplugMetric[];
  readonly compressed: boolean;
}

type Wire = Readonly<Record<string, unknown>>;

/** Throws at bytes that are no Sparkplug payload. */
export function readSparkplug(bytes: Uint8Array): SparkplugPayload {
  const payload = PayloadType.decode(bytes) as unknown as Wire;
  return {
    timestampMs: long(payload, 'timestamp'),
    metrics: ((payload['metrics'] ?? []) as Wire[]).map(readMetric),
    // A habit of Tahu that the specification does not know: the body is another payload, compressed.
    compressed: payload['uuid'] === 'SPBV1.0_COMPRESSED',
  };
}

const sent = (message: Wire, key: string): boolean => Object.hasOwn(message, key);

function long(message: Wire, key: string): number | bigint | undefined {
  return sent(message, key) ? longValue(message[key]) : undefined;
}

function readMetric(metric: Wire): SparkplugMetric {
  return {
    name: sent(metric, 'name') && metric['name'] !== '' ? (metric['name'] as string) : undefined,
    alias: long(metric, 'alias')?.toString(),
    timestampMs: long(metric, 'timestamp'),
    datatype: sent(metric, 'datatype') ? (metric['datatype'] as number) : undefined,
    transient: metric['is_transient'] === true,
    value: metric['is_null'] === true ? undefined : readValue(metric),
  };
}

function readValue(metric: Wire): SparkplugValue | undefined {
  if (sent(metric, 'int_value')) return { kind: 'integer', bits: BigInt(metric['int_value'] as number) };
  if (sent(metric, 'long_value')) return { kind: 'integer', bits: BigInt(longValue(metric['long_value'])) };
  if (sent(metric, 'float_value'))
    return { kind: 'number', value: fromFloat32(metric['float_value'] as number) };
  if (sent(metric, 'double_value')) return { kind: 'number', value: metric['double_value'] as number };
  if (sent(metric, 'boolean_value')) return { kind: 'boolean', value: metric['boolean_value'] as boolean };
  return sent(metric, 'string_value') ? { kind: 'text' } : undefined;
}

/** `NCMD` with `Node Control/Rebirth`: asks an edge node for its births. */
export function rebirthCommand(timestampMs: number): Uint8Array {
  const metric = { name: 'Node Control/Rebirth', timestamp: timestampMs, datatype: 11, boolean_value: true };
  return PayloadType.encode(PayloadType.fromObject({ timestamp: timestampMs, metrics: [metric] })).finish();
}
