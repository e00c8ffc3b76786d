/**
 * Integers beyond 2^53 lose their last digits in `JSON.parse`: two devices become one, and a nanosecond timestamp
 * moves over a millisecond boundary. Text that holds such an integer is read a second time, here, with bigints.
 */

// Read once: a property access for each of a million numbers would cost more than the numbers.
const { MAX_SAFE_INTEGER, MIN_SAFE_INTEGER } = Number;

/** True if a number in `value`, as `JSON.parse` gives it, may have lost digits. Depth is bounded before. */
export function mayHaveLostDigits(value: unknown): boolean {
  if (typeof value === 'number') return value > MAX_SAFE_INTEGER || value < MIN_SAFE_INTEGER;
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(mayHaveLostDigits);
  for (const key in value) {
    const member = (value as Record<string, unknown>)[key];
    // Most members are plain numbers: no call for those.
    if (typeof member === 'number') {
      if (member > MAX_SAFE_INTEGER || member < MIN_SAFE_INTEGER) return true;
    } else if (typeof member === 'object' && mayHaveLostDigits(member)) return true;
  }
  return false;
}

const TOKEN = /[\s,:]*(?:([[\]{}"])|(-?\d[\d.eE+-]*)|true|false|null)/y;

type Container = unknown[] | Record<string, unknown>;

/**
 * Reads text that `JSON.parse` has accepted; integers that are not safe become bigints. Objects have no prototype.
 * Iterative: it needs no stack.
 */
export function parseExact(text: string): unknown {
  const stack: Container[] = [];
  let result: unknown;
  let key: string | undefined;
  TOKEN.lastIndex = 0;
  const place = (value: unknown): void => {
    const top = stack.at(-1);
    if (top === undefined) result = value;
    else if (Array.isArray(top)) top.push(value);
    else {
      top[key ?? ''] = value;
      key = undefined;
    }
  };
  for (let token = TOKEN.exec(text); token !== null; token = TOKEN.exec(text)) {
    const [all, mark, number] = token;
    if (mark === '{' || mark === '[') {
      const opened: Container = mark === '[' ? [] : (Object.create(null) as Record<string, unknown>);
      place(opened);
      stack.push(opened);
    } else if (mark === '"') {
      const end = stringEnd(text, TOKEN.lastIndex);
      const string = JSON.parse(text.slice(TOKEN.lastIndex - 1, end)) as string;
      TOKEN.lastIndex = end;
      const top = stack.at(-1);
      if (top !== undefined && !Array.isArray(top) && key === undefined) key = string;
      else place(string);
    } else if (mark !== undefined) stack.pop();
    else place(number === undefined ? word(all) : exactNumber(number));
  }
  return result;
}

/** The position after the closing quote of the string whose first character is at `from`. */
function stringEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === '\\') at++;
    else if (char === '"') return at + 1;
  }
  return text.length;
}

function word(token: string): boolean | null {
  return token.endsWith('true') ? true : token.endsWith('false') ? false : null;
}

function exactNumber(text: string): number | bigint {
  const value = Number(text);
  // Forty digits are more than any id or time has; and a long one is costly to convert.
  const exact = Number.isSafeInteger(value) || text.length > 40 || !/^-?\d+$/.test(text);
  return exact ? value : BigInt(text);
}
