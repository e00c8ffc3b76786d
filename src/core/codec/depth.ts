const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ARRAY = 0x5b;
const OBJECT = 0x7b;

/**
 * True if JSON text nests deeper than `maxDepth` (D9). Asked before `JSON.parse`, which takes 10 MB of brackets
 * without complaint, for two seconds, and hands them to whatever walks the result.
 */
export function nestsDeeper(bytes: Uint8Array, maxDepth: number): boolean {
  // Each level opens with one byte: a payload with too few opening brackets cannot be too deep.
  let open = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if ((byte === OBJECT || byte === ARRAY) && ++open > maxDepth) return scan(bytes, maxDepth);
  }
  return false;
}

/** The exact depth: brackets inside of strings do not count. */
function scan(bytes: Uint8Array, maxDepth: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (quoted) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) quoted = false;
    } else if (byte === QUOTE) quoted = true;
    else if (byte === ARRAY || byte === OBJECT) {
      if (++depth > maxDepth) return true;
      // `]` and `}` are two above their opening brackets.
    } else if (byte === ARRAY + 2 || byte === OBJECT + 2) depth--;
  }
  return false;
}
