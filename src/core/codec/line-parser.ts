/**
 * A line of InfluxDB line protocol, after the published grammar (line-protocol.ebnf of influxdata/line-protocol).
 * Works on text, whose positions are UTF-16 units: all that the grammar looks for is ASCII.
 */
export interface LinePoint {
  readonly measurement: string;
  readonly tags: ReadonlyMap<string, string>;
  /** Numbers and booleans, strings too; in the order of the line. */
  readonly fields: ReadonlyMap<string, number | bigint | boolean | string>;
  /** As written: an integer in the route's precision. */
  readonly time: string | undefined;
}

/** A point, an empty line or comment (undefined), or the reason why it is neither. */
export type LineResult = { readonly point: LinePoint } | { readonly fault: string } | undefined;

const NONPRINTABLE = /[\u0000-\u001f\u007f]/;
const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const UINT64_MAX = 2n ** 64n - 1n;

class LineFault extends Error {}

/** Reads points one by one; a bad one costs its line. */
export class LineReader {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  /** Reads up to and including the next end of line that is not inside a quoted string. */
  next(): LineResult {
    const start = this.at;
    try {
      this.skipBlanks();
      if (this.atLineEnd()) return this.endLine();
      if (this.peek() === '#') return this.comment();
      const point = this.point();
      this.endLine();
      return { point };
    } catch (error) {
      if (!(error instanceof LineFault)) throw error;
      // The grammar cannot tell where a bad line ends: the first line break behind its start is the safest guess.
      const end = this.text.indexOf('\n', start);
      this.at = end < 0 ? this.text.length : end + 1;
      return { fault: error.message };
    }
  }

  private peek(): string {
    return this.text[this.at] ?? '';
  }

  private skipBlanks(): void {
    while (this.peek() === ' ') this.at++;
  }

  private atLineEnd(): boolean {
    const char = this.peek();
    if (char === '' || char === '\n') return true;
    // A carriage return ends a line only before a newline or the end.
    return char === '\r' && ['', '\n'].includes(this.text[this.at + 1] ?? '');
  }

  private endLine(): undefined {
    if (!this.atLineEnd()) throw new LineFault('text after the end of the point');
    if (this.peek() === '\r') this.at++;
    if (this.peek() === '\n') this.at++;
    return undefined;
  }

  private comment(): undefined {
    while (!this.atLineEnd()) {
      if (NONPRINTABLE.test(this.peek()) && this.peek() !== '\t')
        throw new LineFault('control character in a comment');
      this.at++;
    }
    return this.endLine();
  }

  private point(): LinePoint {
    const measurement = this.name(', ', ', ');
    const tags = new Map<string, string>();
    while (this.peek() === ',') {
      this.at++;
      const key = this.name(',= ', ',= ');
      this.expect('=');
      const value = this.name(',= ', ',= ');
      if (tags.has(key)) throw new LineFault('a tag appears twice');
      tags.set(key, value);
    }
    this.expect(' ');
    this.skipBlanks();
    const fields = this.fields();
    this.skipBlanks();
    const time = this.atLineEnd() ? undefined : this.time();
    this.skipBlanks();
    return { measurement, tags, fields, time };
  }

  private fields(): LinePoint['fields'] {
    const fields = new Map<string, number | bigint | boolean | string>();
    for (;;) {
      const key = this.name(',= ', ',= ');
      this.expect('=');
      fields.set(key, this.peek() === '"' ? this.quoted() : fieldValue(this.bareValue()));
      if (this.peek() !== ',') return fields;
      this.at++;
    }
  }

  private expect(char: string): void {
    if (this.peek() !== char) throw new LineFault(`expected ${char === ' ' ? 'a blank' : char}`);
    this.at++;
  }

  /** A name up to one of `stop`; a backslash before one of `escapable` stands for it, any other for itself. */
  private name(stop: string, escapable: string): string {
    let name = '';
    for (;;) {
      const char = this.peek();
      if (char === '' || stop.includes(char) || NONPRINTABLE.test(char)) break;
      const next = this.text[this.at + 1] ?? '';
      if (char === '\\' && next !== '' && escapable.includes(next)) {
        name += next;
        this.at += 2;
      } else {
        name += char;
        this.at++;
      }
    }
    if (name === '') throw new LineFault('a name is missing');
    return name;
  }

  private quoted(): string {
    let text = '';
    for (this.at++; this.at < this.text.length; this.at++) {
      const char = this.peek();
      if (char === '"') {
        this.at++;
        return text;
      }
      const next = this.text[this.at + 1] ?? '';
      if (char === '\\' && (next === '"' || next === '\\')) {
        text += next;
        this.at++;
      } else text += char;
    }
    throw new LineFault('a string has no end');
  }

  private bareValue(): string {
    const start = this.at;
    while (this.at < this.text.length && !/[, \r\n]/.test(this.peek())) this.at++;
    return this.text.slice(start, this.at);
  }

  private time(): string {
    const text = this.bareValue();
    if (!/^-?\d+$/.test(text) || !inRange(text, INT64.min, INT64.max))
      throw new LineFault('the time is no integer');
    return text;
  }
}

function inRange(digits: string, min: bigint, max: bigint): boolean {
  // Twenty digits and a sign hold every 64-bit integer; leading zeros are rare, and long ones hostile.
  if (digits.length > 64) return false;
  const value = BigInt(digits);
  return value >= min && value <= max;
}

function fieldValue(text: string): number | bigint | boolean {
  if (/^(?:t|T|true|True|TRUE)$/.test(text)) return true;
  if (/^(?:f|F|false|False|FALSE)$/.test(text)) return false;
  const digits = text.slice(0, -1);
  if (/^-?\d+i$/.test(text) && inRange(digits, INT64.min, INT64.max)) return exact(digits);
  if (/^\d+u$/.test(text) && inRange(digits, 0n, UINT64_MAX)) return exact(digits);
  if (/^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return Number(text);
  throw new LineFault('a field has no value that is known');
}

function exact(digits: string): number | bigint {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : BigInt(digits);
}
