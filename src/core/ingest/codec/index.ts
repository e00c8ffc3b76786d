import { auto } from './auto.ts';
import { cayenneLpp } from './cayenne-lpp.ts';
import { cbor } from './cbor.ts';
import { chirpstackProtobuf } from './chirpstack-protobuf.ts';
import type { CodecKind } from './codec.ts';
import { csv } from './csv.ts';
import { json } from './json.ts';
import { lineProtocol } from './line-protocol.ts';
import { msgpack } from './msgpack.ts';
import { pattern } from './pattern.ts';
import { protobufCodec } from './protobuf.ts';
import { scalar } from './scalar.ts';
import { senml } from './senml.ts';
import { sparkplug } from './sparkplug.ts';

/** Every payload format. A new one is one file and one line here. */
export const CODECS: readonly CodecKind[] = [
  json,
  scalar,
  cbor,
  msgpack,
  protobufCodec,
  senml,
  lineProtocol,
  cayenneLpp,
  csv,
  pattern,
  sparkplug,
  chirpstackProtobuf,
  auto,
];

/** Formats of the program that uses the library, by name. */
const registered = new Map<string, CodecKind>();

/** Adds a format, or replaces one that was added before; routes that are compiled already keep theirs. False: a format of its own has the name. */
export function addCodec(kind: CodecKind): boolean {
  if (CODECS.some(({ name }) => name === kind.name)) return false;
  registered.set(kind.name, kind);
  return true;
}

export function codecNamed(name: string): CodecKind | undefined {
  return CODECS.find((codec) => codec.name === name) ?? registered.get(name);
}

/** All of them, for messages. */
export const knownCodecs = (): readonly CodecKind[] => [...CODECS, ...registered.values()];
