import { type PayloadReject, rejectPayload } from './codec.ts';

const EMPTY = rejectPayload('empty_payload');
const INVALID = rejectPayload('invalid_utf8');

// The decoder takes a byte order mark off by itself (D10).
const strict = new TextDecoder('utf-8', { fatal: true });

/**
 * The text of a payload: strict UTF-8 without byte order mark and trailing NULs (D10: C programs publish them).
 * Blank text is `empty_payload` (D11).
 */
export function decodeText(bytes: Uint8Array): string | PayloadReject {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  let text: string;
  try {
    text = strict.decode(end === bytes.length ? bytes : bytes.subarray(0, end));
  } catch {
    return INVALID;
  }
  return isBlank(text) ? EMPTY : text;
}

function isBlank(text: string): boolean {
  // Most payloads start with a visible ASCII character.
  return !(text.charCodeAt(0) > 0x20 && text.charCodeAt(0) < 0x7f) && text.trim() === '';
}
