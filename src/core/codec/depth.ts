const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ARRAY = 0x5b;
const OBJECT = 0x7b;
const ZERO = 0x30;
const NINE = 0x39;

/** What one pass over JSON text tells before it is parsed; strings count like the rest, so both err to "perhaps". */
export interface JsonSurvey {
  /** Each level opens with one byte: with no more opening brackets than that it cannot be too deep. */
  readonly brackets: number;
  /** The longest run of digits: sixteen may be an integer that a double does not hold. */
  readonly digits: number;
}

const survey = { brackets: 0, digits: 0 };

/** The result is good until the next call: one object serves all, since every message passes here. */
export function surveyJson(bytes: Uint8Array): JsonSurvey {
  let brackets = 0;
  let digits = 0;
  let run = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte >= ZERO && byte <= NINE) {
      if (++run > digits) digits = run;
    } else {
      run = 0;
      if (byte === OBJECT || byte === ARRAY) brackets++;
    }
  }
  survey.brackets = brackets;
  survey.digits = digits;
  return survey;
}

/**
 * True if JSON text nests deeper than `maxDepth` (D9). Asked before `JSON.parse`, which takes 10 MB of brackets
 * without complaint, for two seconds, and hands them to whatever walks the result.
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
