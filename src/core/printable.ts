/** Control characters (C0, C1), and the invisible ones that reverse the reading direction or join lines. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
/** JSON escapes C0 itself; a raw line feed in JSON text is white space. */
const UNPRINTABLE_IN_JSON = /[\u007f-\u009f\p{Cf}\u2028\u2029]/gu;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * Text from the network made safe to show: what could move the cursor, recolour the screen or reverse the reading
 * direction is written out as an escape instead.
 */
export const plainText = (text: string): string =>
  text.replace(UNPRINTABLE, (char) => SHORT[char] ?? `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);

/** JSON text with the same content that is safe to show. */
export const printableJson = (json: string): string => json.replace(UNPRINTABLE_IN_JSON, escapeUnits);

/** As JSON and YAML write it: `\u202e`, and two of them for a character outside the basic plane. */
export const escapeUnits = (char: string): string =>
  Array.from(
    { length: char.length },
    (_, index) => `\\u${char.charCodeAt(index).toString(16).padStart(4, '0')}`,
  ).join('');
