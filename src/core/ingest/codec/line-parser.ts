import { fieldValue, isInt64 } from './line-value.ts';

/**
 * A line of InfluxDB line protocol, after the published grammar (line-protocol.ebnf of influxdata/line-protocol).
 * Works on text, whose positions are UTF-16 units: all that the grammar matches is ASCII.
 */
export interface LinePoint {
  readonly measurement: string;
  readonly tags: ReadonlyMap<string, string>;
  /** Numbers and booleans; strings are read over. */
  readonly fields: ReadonlyMap<string, number | bigint | boolean>;
  /** Fields that appear again with another value. */
  readonly repeated: readonly string[];
  /** As written: an integer in the route's precision. */
  readonly time: string | undefined;
}

/** A point, an empty line or comment (undefined), or a fault. */
export type LineResult = { readonly point: LinePoint } | LineFault | undefined;

export class LineFault extends Error {
  readonly code: 'parse_error' | 'too_large';

  constructor(message: string, code: LineFault['code'] = 'parse_error') {
    super(message);
    this.code = code;
  }
}

// Made once: an error costs more than a line, and a hostile payload has many bad lines.
const FAULTS = {
  tail: new LineFault('text after the end of the point'),
  comment: new LineFault('control character in a comment'),
  twice: new LineFault('a tag appears twice'),
  equals: new LineFault('expected ='),
  blank: new LineFault('expected a blank'),
  name: new LineFault('a name is missing'),
  string: new LineFault('a string has no end'),
  time: new LineFault('the time is no integer of 64 bits'),
  value: new LineFault('a field has no value that is known'),
  many: new LineFault('more tags or fields than limits.max_metrics', 'too_large'),
};

const MEASUREMENT_END = ', ';
const KEY_END = ',= ';

/** Reads points one by one; a bad one costs its line. */
export class LineReader {
  private readonly text: string;
  private readonly maxParts: number;
  private at = 0;

  /** `maxParts` bounds the tags and the fields of a line. */
  constructor(text: string, maxParts: number) {
    this.text = text;
    this.maxParts = maxParts;
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
      // The grammar does not define where a bad line ends: the first line break after its start is the safest guess.
      const end = this.text.indexOf('\n', start);
      this.at = end < 0 ? this.text.length : end + 1;
      return error;
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
    if (!this.atLineEnd()) throw FAULTS.tail;
    if (this.peek() === '\r') this.at++;
    if (this.peek() === '\n') this.at++;
    return undefined;
  }

  private comment(): undefined {
    while (!this.atLineEnd()) {
      if (isNonprintable(this.text.charCodeAt(this.at)) && this.peek() !== '\t') throw FAULTS.comment;
      this.at++;
    }
    return this.endLine();
  }

  private point(): LinePoint {
    const measurement = this.name(MEASUREMENT_END);
    const tags = this.tags();
    this.expect(' ', FAULTS.blank);
    this.skipBlanks();
    const repeated: string[] = [];
    const fields = this.fields(repeated);
    this.skipBlanks();
    const time = this.atLineEnd() ? undefined : this.time();
    this.skipBlanks();
    return { measurement, tags, fields, repeated, time };
  }

  private tags(): LinePoint['tags'] {
    const tags = new Map<string, string>();
    while (this.peek() === ',') {
      this.at++;
      const key = this.name(KEY_END);
      this.expect('=', FAULTS.equals);
      const value = this.name(KEY_END);
      if (tags.has(key)) throw FAULTS.twice;
      tags.set(key, value);
      if (tags.size > this.maxParts) throw FAULTS.many;
    }
    return tags;
  }

  private fields(repeated: string[]): LinePoint['fields'] {
    const fields = new Map<string, number | bigint | boolean>();
    for (;;) {
      const key = this.name(KEY_END);
      this.expect('=', FAULTS.equals);
      if (this.peek() === '"') this.skipQuoted();
      else {
        const value = this.bareField();
        if (fields.has(key) && fields.get(key) !== value) repeated.push(key);
        fields.set(key, value);
      }
      if (fields.size > this.maxParts) throw FAULTS.many;
      if (this.peek() !== ',') return fields;
      this.at++;
    }
  }

  private expect(char: string, fault: LineFault): void {
    if (this.peek() !== char) throw fault;
    this.at++;
  }

  /** A name up to one of `stop`; a backslash before one of them stands for it, before anything else for itself. */
  private name(stop: string): string {
    const start = this.at;
    let escaped = false;
    for (; this.at < this.text.length; this.at++) {
      const char = this.peek();
      if (char === '\\' && stop.includes(this.text[this.at + 1] ?? '\\')) {
        escaped = true;
        this.at++;
      } else if (stop.includes(char) || isNonprintable(this.text.charCodeAt(this.at))) break;
    }
    if (this.at === start) throw FAULTS.name;
    const name = this.text.slice(start, this.at);
    return escaped ? name.replace(stop === KEY_END ? /\\([,= ])/g : /\\([, ])/g, '$1') : name;
  }

  private skipQuoted(): void {
    for (this.at++; this.at < this.text.length; this.at++) {
      const char = this.peek();
      if (char === '\\') this.at++;
      else if (char === '"') {
        this.at++;
        return;
      }
    }
    throw FAULTS.string;
  }

  private bareField(): number | bigint | boolean {
    const value = fieldValue(this.bareValue());
    if (value === undefined) throw FAULTS.value;
    return value;
  }

  private bareValue(): string {
    const start = this.at;
    while (this.at < this.text.length && !', \r\n'.includes(this.peek())) this.at++;
    return this.text.slice(start, this.at);
  }

  private time(): string {
    const text = this.bareValue();
    if (!/^-?\d+$/.test(text) || !isInt64(text)) throw FAULTS.time;
    return text;
  }
}

function isNonprintable(code: number): boolean {
  return code < 0x20 || code === 0x7f;
}
