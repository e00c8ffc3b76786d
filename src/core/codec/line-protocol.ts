import { emptyDoc } from '../mapping/document.ts';
import type { Element } from '../mapping/draft.ts';
import { shiftDecimal } from '../mapping/instant.ts';
import type { RouteConfig } from '../route-config.ts';
import { rejectPayload, type CodecKind, type Payload } from './codec.ts';
import { LineReader, type LinePoint } from './line-parser.ts';
import { decodeText } from './text.ts';

/** Powers of ten from the precision to microseconds. */
const SHIFT = { s: 6, ms: 3, us: 0, ns: -3 } as const;

function pointDraft({ tags, fields, time }: LinePoint, shift: number): Element {
  // Tags are the record: `device_path: /host` finds them.
  const record = emptyDoc();
  for (const [key, value] of tags) record[key] = value;
  const metrics = emptyDoc();
  // Strings are no measurements, not even numeric ones: the format has numbers.
  for (const [key, value] of fields) if (typeof value !== 'string') metrics[key] = value;
  const timeUs = time === undefined ? undefined : shiftDecimal(time, shift);
  // Null: a tag that is called `time` is none.
  return { record, metrics, timeUs, time: null, verbatim: true };
}

function decodeLines(bytes: Uint8Array, shift: number, maxReadings: number): Payload {
  const text = decodeText(bytes);
  if (typeof text !== 'string') return text;
  const reader = new LineReader(text);
  const records: Element[] = [];
  while (!reader.done) {
    const line = reader.next();
    if (line === undefined) continue;
    if (records.length === maxReadings) return rejectPayload('too_many_readings');
    records.push(
      'point' in line ? pointDraft(line.point, shift) : { fault: 'parse_error', detail: line.fault },
    );
  }
  return { kind: 'records', records };
}

export const lineProtocol: CodecKind = {
  name: 'line-protocol',
  summary: 'InfluxDB line protocol, as Telegraf publishes it',
  create: (config: RouteConfig) => {
    const shift = SHIFT[config.precision ?? 'ns'];
    return { decode: (bytes, { limits }) => decodeLines(bytes, shift, limits.max_readings) };
  },
};
