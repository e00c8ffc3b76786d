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

export function codecNamed(name: string): CodecKind | undefined {
  return CODECS.find((codec) => codec.name === name);
}
