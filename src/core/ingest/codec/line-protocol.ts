import type { Limits } from '../mapping/context.ts';
import { emptyDoc } from '../mapping/document.ts';
import type { Draft, Element } from '../mapping/draft.ts';
import { shiftDecimal } from '../mapping/instant.ts';
import { LossTally } from '../mapping/losses.ts';
import type { RouteConfig } from '../route-config.ts';
import { type CodecKind, type Payload, rejectPayload } from './codec.ts';
import { type LinePoint, LineReader } from './line-parser.ts';
import { decodeText } from './text.ts';

/** Powers of ten from the precision to microseconds. */
const SHIFT = { s: 6, ms: 3, us: 0, ns: -3 } as const;

type NameOf = (point: LinePoint, field: string) => string;

const fieldName: NameOf = (_, field) => field;

/**
 * `{measurement}_{cpu}_{field}`: the name of a metric from the measurement, tags and the field. A tag that a line does not
 * have is left out with the separator behind it.
 */
function nameFrom(template: string): NameOf {
  // Taken apart once: a message has a name for each of its values.
  const parts = [...template.matchAll(/([^{}]*)(?:\{([^{}]+)\}([_./:-]?))?/g)].map(
    ([, before = '', key, separator = '']) => ({ before, key, separator }),
  );
  return ({ measurement, tags }, field) => {
    let name = '';
    for (const { before, key, separator } of parts) {
      name += before;
      if (key === undefined) continue;
      const text = key === 'field' ? field : key === 'measurement' ? measurement : tags.get(key);
      if (text !== undefined && text !== '') name += text + separator;
    }
    return name;
  };
}

function pointDraft(point: LinePoint, shift: number, nameOf: NameOf): Element {
  const { tags, fields, repeated, time } = point;
  // Tags are the record: `device_path: /host` finds them.
  const record = emptyDoc();
  for (const [key, value] of tags) record[key] = value;
  const metrics = emptyDoc();
  for (const [key, value] of fields) metrics[nameOf(point, key)] = value;
  const timeUs = time === undefined ? undefined : shiftDecimal(time, shift);
  // Null: a tag called `time` is not a time.
  const draft: Draft = { record, metrics, timeUs, time: null, verbatim: true };
  if (repeated.length === 0) return draft;
  const losses = new LossTally();
  for (const name of repeated) losses.replace(name);
  return { ...draft, losses };
}

function decodeLines(bytes: Uint8Array, shift: number, nameOf: NameOf, limits: Limits): Payload {
  const text = decodeText(bytes);
  if (typeof text !== 'string') return text;
  const reader = new LineReader(text, limits.max_metrics);
  const records: Element[] = [];
  while (!reader.done) {
    const line = reader.next();
    if (line === undefined) continue;
    if (records.length === limits.max_readings) return rejectPayload('too_many_readings');
    records.push(
      'point' in line ? pointDraft(line.point, shift, nameOf) : { fault: line.code, detail: line.message },
    );
  }
  return { kind: 'records', records };
}

export const lineProtocol: CodecKind = {
  name: 'line-protocol',
  summary: 'InfluxDB line protocol, as Telegraf publishes it',
  preset: {},
  create: (config: RouteConfig) => {
    const shift = SHIFT[config.precision ?? 'ns'];
    const nameOf = config.metric === undefined ? fieldName : nameFrom(config.metric);
    return { decode: (bytes, { limits }) => decodeLines(bytes, shift, nameOf, limits) };
  },
};
