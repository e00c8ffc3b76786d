import { type CodecKind, type Payload, rejectPayload } from './codec.ts';
import { mayNestDeeper, nestsDeeper } from './depth.ts';
import { mayHaveLostDigits, parseExact } from './json-exact.ts';
import { decodeText } from './text.ts';

const TOO_DEEP = rejectPayload('too_deep');

/** JSON (RFC 8259): one document, strict UTF-8, bounded nesting. */
export function decodeJson(bytes: Uint8Array, maxDepth: number): Payload {
  const text = decodeText(bytes);
  if (typeof text !== 'string') return text;
  if (mayNestDeeper(text, maxDepth) && nestsDeeper(bytes, maxDepth)) return TOO_DEEP;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return rejectPayload('parse_error', 'not JSON');
  }
  return { kind: 'document', value: mayHaveLostDigits(value) ? parseExact(text) : value };
}

export const json: CodecKind = {
  name: 'json',
  summary: 'a JSON object, or an array of them',
  preset: {},
  create: () => ({ decode: (bytes, context) => decodeJson(bytes, context.limits.max_depth) }),
};
