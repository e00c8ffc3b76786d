import { aliasOf } from '../mapping/alias.ts';
import { type Doc, emptyDoc, isObject, own } from '../mapping/document.ts';
import { type Element, NO_METRICS } from '../mapping/draft.ts';
import type { Shape } from '../mapping/split.ts';
import { namedUnit } from '../mapping/unit-text.ts';
import { convertFrom } from '../mapping/unit.ts';
import { isNumericText } from '../mapping/value.ts';
import type { Preset } from './preset.ts';
import { type Recognition, telemetry, withBase } from './recognition.ts';
import type { Observed } from './samples.ts';

const NUMBER_TYPE = /^(?:U?int(?:8|16|32|64)|Float(?:32|64))$/i;
const NUMBER_ARRAY = /^(?:U?int(?:8|16|32|64)|Float(?:32|64))Array$/i;

/** EdgeX sends every value as text, with its type. Texts and objects are not metrics. */
function typedValue(value: unknown, type: unknown): unknown {
  if (typeof type !== 'string') return undefined;
  if (type.toLowerCase() === 'bool')
    return String(value) === 'true' ? true : String(value) === 'false' ? false : undefined;
  if (NUMBER_ARRAY.test(type)) return typeof value === 'string' ? arrayOf(value) : value;
  if (!NUMBER_TYPE.test(type)) return undefined;
  if (typeof value !== 'string') return value;
  return isNumericText(value.trim()) ? Number(value) : undefined;
}

/** Arrays are sent as text, too: "[1, 2, 3]". */
function arrayOf(text: string): unknown {
  const items = text
    .trim()
    .replace(/^\[|\]$/g, '')
    .split(',')
    .map((item) => item.trim());
  return items.every(isNumericText) ? items.map(Number) : undefined;
}

/** A reading may state its unit: what becomes a canonical metric is stored in the canonical one. */
function canonical(name: string, value: unknown, units: unknown): unknown {
  const named = namedUnit(units);
  const isOf = named !== undefined && aliasOf(name)?.name === named.quantity;
  return isOf && typeof value === 'number' ? convertFrom(named.unit)(value) : value;
}

function readingDraft(reading: unknown, event: Doc): Element {
  if (!isObject(reading)) return NO_METRICS;
  const name = own(reading, 'resourceName');
  if (typeof name !== 'string') return NO_METRICS;
  const metrics = emptyDoc();
  const value = typedValue(own(reading, 'value'), own(reading, 'valueType'));
  metrics[name] = canonical(name, value, own(reading, 'units'));
  return {
    record: reading,
    outer: event,
    metrics,
    device: own(reading, 'deviceName') ?? own(event, 'deviceName') ?? null,
    time: own(reading, 'origin') ?? own(event, 'origin') ?? null,
    verbatim: true,
  };
}

const shape: Shape = (record, { limits }) => {
  const wrapped = own(record, 'event');
  const event = isObject(wrapped) ? wrapped : record;
  const readings = own(event, 'readings');
  if (!Array.isArray(readings)) return NO_METRICS;
  if (readings.length > limits.max_readings) return { fault: 'too_many_readings' };
  return (readings as unknown[]).map((reading) => readingDraft(reading, event));
};

function recognise({ topic, levels, document }: Observed): Recognition | undefined {
  const wrapped = document === undefined ? undefined : own(document, 'event');
  const readings = own(isObject(wrapped) ? wrapped : (document ?? {}), 'readings');
  const [first] = Array.isArray(readings) ? (readings as unknown[]) : [];
  if (!isObject(first) || own(first, 'resourceName') === undefined || own(first, 'valueType') === undefined)
    return undefined;
  const at = levels.indexOf('events');
  return telemetry(at > 0 ? withBase(levels.slice(0, at), 'edgex') : { topic });
}

/** EdgeX Foundry events. Origins are nanoseconds beyond 2^53. */
export const edgex: Preset = {
  name: 'edgex',
  summary: 'EdgeX Foundry events',
  defaults: ({ base_topic: base = 'edgex' }) => ({ codec: 'json', topic: `${base}/events/#` }),
  rest: ({ base_topic: base = 'edgex' }) => [`${base}/#`],
  shape: () => shape,
  recognise,
};
