const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ARRAY = 0x5b;
const OBJECT = 0x7b;

/**
 * True if `text` has more opening brackets than `maxDepth`: only then can it be too deep, since each level opens with
 * one. Strings count like the rest, so it errs to "perhaps". Searching is many times cheaper than looking at each byte.
 */
export function mayNestDeeper(text: string, maxDepth: number): boolean {
  let brackets = 0;
  for (const bracket of '{[')
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1))
      if (++brackets > maxDepth) return true;
  return false;
}

/**
 * True if JSON text nests deeper than `maxDepth` (D9). Checked before `JSON.parse`, which accepts 10 MB of brackets,
 * for two seconds, and passes them to whatever walks the result.
 */
export function nestsDeeper(bytes: Uint8Array, maxDepth: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (quoted) {
      // Brackets inside of strings do not count, nor does an escaped quote end one.
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
