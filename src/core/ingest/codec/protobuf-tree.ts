import type protobuf from 'protobufjs';
import { emptyDoc } from '../mapping/document.ts';
import { protobufLibrary } from './library.ts';
import { TooDeep, TooLarge, type TreeLimits, fromFloat32, narrow } from './tree.ts';

/** Fields that hold a whole number of up to 64 bits, which the library gives as a Long. */
interface LongLike {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

/** 64 bits as a number where that is exact, else as a bigint. */
export function longValue(value: unknown): number | bigint {
  if (typeof value === 'number') return value;
  const { low, high, unsigned } = value as LongLike;
  const bits = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return narrow(unsigned ? bits : BigInt.asIntN(64, bits));
}

/**
 * A decoded message as a document: the fields on the wire, under the names of the schema. A field that was not sent
 * is absent; without `optional` proto3 does not send zeros, so a schema that must distinguish 0 from absence declares
 * `optional`.
 */
export function messageDocument(
  message: object,
  type: protobuf.Type,
  limits: TreeLimits,
  levels = limits.depth,
): Record<string, unknown> {
  if (levels <= 0) throw new TooDeep();
  const doc = emptyDoc();
  for (const field of type.fieldsArray) {
    if (!Object.hasOwn(message, field.name)) continue;
    const value = (message as Record<string, unknown>)[field.name];
    if (field.map) doc[field.name] = mapDocument(value as Record<string, unknown>, field, limits, levels - 1);
    else if (Array.isArray(value))
      doc[field.name] = value.slice(0, limits.items).map((item) => leaf(item, field, limits, levels - 1));
    else doc[field.name] = leaf(value, field, limits, levels - 1);
  }
  return doc;
}

function mapDocument(
  map: Record<string, unknown>,
  field: protobuf.Field,
  limits: TreeLimits,
  levels: number,
): unknown {
  if (levels <= 0) throw new TooDeep();
  if (Object.keys(map).length > limits.items) throw new TooLarge();
  const doc = emptyDoc();
  for (const key of Object.keys(map)) doc[key] = leaf(map[key], field, limits, levels);
  return doc;
}

function leaf(value: unknown, field: protobuf.Field, limits: TreeLimits, levels: number): unknown {
  if (value === null || value === undefined) return null;
  const resolved = field.resolvedType;
  const { Enum, Type } = protobufLibrary();
  if (resolved instanceof Type) return messageDocument(value, resolved, limits, levels);
  if (resolved instanceof Enum) return resolved.valuesById[value as number] ?? value;
  if (field.type === 'float') return fromFloat32(value as number);
  if (value instanceof Uint8Array) return null;
  return typeof value === 'object' ? longValue(value) : value;
}
