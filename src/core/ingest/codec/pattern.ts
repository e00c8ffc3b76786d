import type { RE2JS } from 're2js';
import { FieldwatchError, messageOf } from '../../errors.ts';
import type { Limits } from '../mapping/context.ts';
import { emptyDoc } from '../mapping/document.ts';
import type { RouteConfig } from '../route-config.ts';
import { cellReader } from './cells.ts';
import { type CodecKind, type Payload, rejectPayload } from './codec.ts';
import { re2Library } from './library.ts';
import { decodeText } from './text.ts';

const MAX_PATTERN_CHARS = 1000;
/**
 * A search costs the rest of its line, and something for itself. The matcher takes time in proportion, but a search for
 * each match of a long line would be quadratic: so much is allowed in one message, some tens of milliseconds.
 */
const MAX_WORK = 200_000;
const SEARCH_WORK = 20;

interface Compiled {
  readonly expression: RE2JS;
  readonly groups: readonly string[];
}

function compile(pattern: string | undefined): Compiled | string {
  if (pattern === undefined)
    return 'the codec pattern needs a pattern with named groups: T=(?P<temperature>[0-9.]+)';
  if (pattern.length > MAX_PATTERN_CHARS) return `a pattern has at most ${MAX_PATTERN_CHARS} characters`;
  try {
    const expression = re2Library().RE2JS.compile(pattern);
    const groups = Object.keys(expression.namedGroups());
    return groups.length === 0
      ? 'the pattern has no named group: (?P<temperature>[0-9.]+)'
      : { expression, groups };
  } catch (error) {
    return `the pattern cannot be read (RE2 syntax, without look-around and back references): ${messageOf(error)}`;
  }
}

/** Every match in the text is a record, whose members are the named groups. */
function decodeMatches(
  bytes: Uint8Array,
  { expression, groups }: Compiled,
  read: ReturnType<typeof cellReader>,
  limits: Limits,
): Payload {
  const text = decodeText(bytes);
  if (typeof text !== 'string') return text;
  const records: Record<string, unknown>[] = [];
  let work = 0;
  for (const line of text.split(/\r?\n/)) {
    const matcher = expression.matcher(line);
    for (let at = 0; ; at = matcher.end()) {
      work += line.length - at + SEARCH_WORK;
      if (work > MAX_WORK) return rejectPayload('too_large', 'more text than a pattern is tried on');
      if (!matcher.find()) break;
      if (records.length === limits.max_readings) return rejectPayload('too_many_readings');
      const doc = emptyDoc();
      for (const group of groups) {
        const found = matcher.group(group);
        if (found !== null && found !== undefined) doc[group] = read(group, found);
      }
      records.push(doc);
    }
  }
  return records.length === 0
    ? rejectPayload('parse_error', 'the pattern does not match')
    : { kind: 'document', value: records };
}

export const pattern: CodecKind = {
  name: 'pattern',
  summary: 'text, read by a regular expression with named groups',
  preset: {},
  check: (config) => {
    const compiled = compile(config.pattern);
    return typeof compiled === 'string' ? { key: 'pattern', message: compiled } : undefined;
  },
  create: (config: RouteConfig) => {
    const compiled = compile(config.pattern);
    if (typeof compiled === 'string')
      throw new FieldwatchError(`pattern: ${compiled}`, { code: 'ROUTE_INVALID', kind: 'config' });
    const read = cellReader(config);
    return { decode: (bytes, { limits }) => decodeMatches(bytes, compiled, read, limits) };
  },
};
