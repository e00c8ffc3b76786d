import type { MessageContext } from '../mapping/context.ts';
import { isObject, own } from '../mapping/document.ts';
import type { RouteConfig } from '../route-config.ts';
import { decodeCbor } from './cbor.ts';
import { type Codec, type CodecKind, type Payload, rejectPayload } from './codec.ts';
import { decodeJson } from './json.ts';
import { lineProtocol } from './line-protocol.ts';
import { decodeMsgpack } from './msgpack.ts';
import { scalar } from './scalar.ts';
import { senml } from './senml.ts';
import { decodeText } from './text.ts';
import { treeLimits } from './tree.ts';

type Guess = 'json' | 'cbor' | 'msgpack' | 'senml' | 'line-protocol' | 'scalar';

/** MQTT 5 content types (3.3.2.3.9): the sender's declaration takes precedence over the form of the bytes. */
function byContentType(contentType: string | undefined): Guess | undefined {
  const type = contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (/^application\/senml\+(?:json|cbor)$/.test(type)) return 'senml';
  if (/(?:^application\/|\+|^text\/)json$/.test(type)) return 'json';
  if (/(?:^application\/|\+)cbor$/.test(type)) return 'cbor';
  if (/^application\/(?:x-|vnd\.)?msgpack$/.test(type)) return 'msgpack';
  return type === 'application/vnd.influx.line-protocol' ? 'line-protocol' : undefined;
}

const looksLikeSenml = (value: unknown): boolean =>
  Array.isArray(value) &&
  isObject(value[0]) &&
  ['bn', 'bt', 'bver', '-2', '-3', '-1'].some(
    (label) => own(value[0] as Record<string, unknown>, label) !== undefined,
  );

class AutoCodec implements Codec {
  private readonly codecs: Readonly<Record<'senml' | 'line-protocol' | 'scalar', Codec>>;

  constructor(config: RouteConfig) {
    this.codecs = {
      senml: senml.create({ ...config, encoding: undefined }),
      'line-protocol': lineProtocol.create(config),
      scalar: scalar.create(config),
    };
  }

  decode(bytes: Uint8Array, context: MessageContext): Payload {
    const stated = byContentType(context.contentType);
    if (stated !== undefined) return this.decodeAs(stated, bytes, context);
    const text = decodeText(bytes);
    if (typeof text === 'string') return this.text(text, bytes, context);
    // The first byte of a CBOR or MessagePack map or array is never the first of a UTF-8 character.
    return text.code === 'invalid_utf8' ? this.binary(bytes, context) : text;
  }

  private decodeAs(guess: Guess, bytes: Uint8Array, context: MessageContext): Payload {
    const { max_depth } = context.limits;
    if (guess === 'json') return decodeJson(bytes, max_depth);
    if (guess === 'cbor') return decodeCbor(bytes, treeLimits(context.limits));
    if (guess === 'msgpack') return decodeMsgpack(bytes, treeLimits(context.limits));
    return this.codecs[guess].decode(bytes, context);
  }

  private text(text: string, bytes: Uint8Array, context: MessageContext): Payload {
    if (/^\s*[[{]/.test(text)) return this.tree(decodeJson(bytes, context.limits.max_depth), bytes, context);
    // A measurement, a blank, a field: no number has this form.
    if (/^[^\s,=]+(?:,[^\s]+)? +[^\s=]+=/.test(text))
      return this.codecs['line-protocol'].decode(bytes, context);
    return context.metric === undefined
      ? rejectPayload('unsupported', 'text that is neither JSON nor line protocol')
      : this.codecs.scalar.decode(bytes, context);
  }

  /** CBOR and MessagePack use the same bytes for other things, but no message is well formed in both by chance. */
  private binary(bytes: Uint8Array, context: MessageContext): Payload {
    const limits = treeLimits(context.limits);
    let failure: Payload = rejectPayload('unsupported', 'bytes of no format that is known');
    for (const decode of [decodeCbor, decodeMsgpack]) {
      const decoded = decode(bytes, limits);
      if (decoded.kind === 'document' && typeof decoded.value === 'object' && decoded.value !== null)
        return this.tree(decoded, bytes, context);
      if (decoded.kind === 'reject' && decoded.code !== 'parse_error') failure = decoded;
    }
    return failure;
  }

  private tree(decoded: Payload, bytes: Uint8Array, context: MessageContext): Payload {
    const pack = decoded.kind === 'document' && looksLikeSenml(decoded.value);
    return pack ? this.codecs.senml.decode(bytes, context) : decoded;
  }
}

export const auto: CodecKind = {
  name: 'auto',
  summary: 'detected by the MQTT 5 content type, else by the bytes',
  create: (config) => new AutoCodec(config),
};
