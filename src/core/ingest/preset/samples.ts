import type { Inflate } from '../codec/codec.ts';
import type { Millis } from '../../reading.ts';
import { decodeCbor } from '../codec/cbor.ts';
import { decompress } from '../codec/compression.ts';
import { decodeJson } from '../codec/json.ts';
import { decodeMsgpack } from '../codec/msgpack.ts';
import { decodeText } from '../codec/text.ts';
import { treeLimits } from '../codec/tree.ts';
import type { Limits } from '../mapping/context.ts';
import { type Doc, isObject, own } from '../mapping/document.ts';
import { isNumericText } from '../mapping/value.ts';
import { type ReadText, readText } from './texts.ts';

/** A message as received. */
export interface Sample {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly receivedAtMs: Millis;
  readonly contentType?: string | undefined;
}

/** The form of a payload, whatever its topic. */
export type Content =
  | { readonly kind: 'empty' | 'number' | 'binary' }
  | { readonly kind: 'text' | 'lines'; readonly text: string }
  /** Separated values, or pairs in text: `route` reads them. */
  | ({ readonly kind: 'table' } & ReadText)
  /** An object or an array; `codec` is what reads it. */
  | { readonly kind: 'tree' | 'senml'; readonly codec: 'json' | 'cbor' | 'msgpack'; readonly value: unknown };

/** A topic that can stand in a pattern: braces name segments there, and what MQTT forbids a capture may hold. */
export const isWritable = (topic: string): boolean => !/[{}+#\0]/.test(topic) && topic.length <= 512;

/** A message with its analysed content. */
export interface Observed extends Sample {
  readonly levels: readonly string[];
  readonly compressed: boolean;
  readonly content: Content;
  /** The payload where it is one JSON object. */
  readonly document: Doc | undefined;
}

export function observe(message: Sample, limits: Limits, inflate: Inflate | undefined): Observed {
  const bytes = decompress(message.payload, 'auto', inflate, limits.max_decompressed);
  const plain = bytes instanceof Uint8Array ? bytes : message.payload;
  const content = contentOf(plain, limits);
  const isDocument = content.kind === 'tree' && content.codec === 'json' && isObject(content.value);
  return {
    ...message,
    levels: message.topic.split('/'),
    compressed: plain !== message.payload,
    content,
    document: isDocument ? content.value : undefined,
  };
}

// A measurement, a blank, a field: no number and no everyday text has this form.
const LINE = /^(?:#[^\n]*\n|\s*\n)*[^\s,=#{["]+(?:,[^\s]+)? +[^\s=]+=[^\s]/;

function contentOf(bytes: Uint8Array, limits: Limits): Content {
  const text = decodeText(bytes);
  if (typeof text !== 'string')
    return text.code === 'empty_payload' ? { kind: 'empty' } : binary(bytes, limits);
  if (isNumericText(text.trim())) return { kind: 'number' };
  if (/^\s*[[{]/.test(text)) {
    const decoded = decodeJson(bytes, limits.max_depth);
    if (decoded.kind === 'document') return tree('json', decoded.value);
  }
  if (LINE.test(text)) return { kind: 'lines', text };
  const found = /^\s*[[{]/.test(text) ? undefined : readText(text);
  return found === undefined ? { kind: 'text', text } : { kind: 'table', ...found };
}

function binary(bytes: Uint8Array, limits: Limits): Content {
  for (const [codec, decode] of [
    ['cbor', decodeCbor],
    ['msgpack', decodeMsgpack],
  ] as const) {
    const decoded = decode(bytes, treeLimits(limits));
    if (decoded.kind !== 'document') continue;
    const { value } = decoded;
    // Random bytes can look like a single number, too.
    if (Array.isArray(value) || isObject(value)) return tree(codec, value);
  }
  return { kind: 'binary' };
}

function tree(codec: 'json' | 'cbor' | 'msgpack', value: unknown): Content {
  return { kind: codec !== 'msgpack' && isSenml(value) ? 'senml' : 'tree', codec, value };
}

const SENML_BASE = ['bn', 'bt', 'bver', '-2', '-3', '-1'];
const SENML_VALUE = ['v', 'vb', 'vs', 'vd', 's', '2', '3', '4', '5'];

/** RFC 8428: an array of records that starts with a base field, or whose records are name, unit and value. */
function isSenml(value: unknown): boolean {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isObject)) return false;
  const has = (record: Doc, keys: readonly string[]) => keys.some((key) => own(record, key) !== undefined);
  const [first = {}] = value;
  if (!value.some((record) => has(record, SENML_VALUE))) return false;
  return has(first, SENML_BASE) || (has(first, ['n']) && has(first, ['u']));
}
