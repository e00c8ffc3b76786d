import type { MessageContext } from '../mapping/context.ts';
import { isObject } from '../mapping/document.ts';
import type { Element } from '../mapping/draft.ts';
import { decodeCbor } from './cbor.ts';
import { type CodecKind, type Payload, rejectPayload } from './codec.ts';
import { decodeJson } from './json.ts';
import { SenmlResolver, UnsupportedSenml } from './senml-resolve.ts';
import { treeLimits } from './tree.ts';

/** Decodes a SenML pack (RFC 8428): JSON, or CBOR with integer labels. */
function decodeSenml(bytes: Uint8Array, context: MessageContext, encoding: string | undefined): Payload {
  const { max_depth, max_readings } = context.limits;
  const binary = encoding === undefined ? !startsAsText(bytes) : encoding === 'cbor';
  const decoded = binary ? decodeCbor(bytes, treeLimits(context.limits)) : decodeJson(bytes, max_depth);
  if (decoded.kind !== 'document') return decoded;
  if (!Array.isArray(decoded.value)) return rejectPayload('parse_error', 'a SenML pack is an array');
  const pack = decoded.value as unknown[];
  if (pack.length > max_readings) return rejectPayload('too_many_readings');
  return resolvePack(pack, context);
}

function resolvePack(pack: readonly unknown[], context: MessageContext): Payload {
  const resolver = new SenmlResolver(context, pack);
  const records: Element[] = [];
  try {
    for (const record of pack)
      records.push(isObject(record) ? resolver.resolve(record) : { fault: 'parse_error' });
  } catch (error) {
    // A version or a mandatory field that is not known may change the meaning of every record.
    if (error instanceof UnsupportedSenml) return rejectPayload('unsupported', error.message);
    throw error;
  }
  return records.length === 0 ? rejectPayload('no_metrics') : { kind: 'records', records };
}

/** JSON text starts with `[`, perhaps behind blanks or a byte order mark; a CBOR array does not. */
function startsAsText(bytes: Uint8Array): boolean {
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while ([0x20, 0x09, 0x0a, 0x0d].includes(bytes[at] ?? -1)) at++;
  const first = bytes[at] ?? 0;
  return first === 0x5b || first === 0x7b || at === bytes.length || first === 0;
}

export const senml: CodecKind = {
  name: 'senml',
  summary: 'SenML (RFC 8428), JSON or CBOR',
  device: 'own',
  statesUnits: true,
  preset: { topic: 'senml/#' },
  encodings: ['json', 'cbor'],
  create: ({ encoding }) => ({ decode: (bytes, context) => decodeSenml(bytes, context, encoding) }),
};
