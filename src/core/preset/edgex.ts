import { emptyDoc, isObject, own, type Doc } from '../mapping/document.ts';
import { NO_METRICS, type Element } from '../mapping/draft.ts';
import type { Shape } from '../mapping/split.ts';
import { isNumericText } from '../mapping/value.ts';
import type { Preset } from './preset.ts';

const NUMBER_TYPE = /^(?:U?int(?:8|16|32|64)|Float(?:32|64))$/i;

/** EdgeX sends every value as text; the type says what it is. Texts, arrays and objects are no metrics. */
function typedValue(value: unknown, type: unknown): unknown {
  if (typeof type !== 'string') return undefined;
  if (type.toLowerCase() === 'bool')
    return String(value) === 'true' ? true : String(value) === 'false' ? false : undefined;
  if (!NUMBER_TYPE.test(type)) return undefined;
  if (typeof value !== 'string') return value;
  return isNumericText(value.trim()) ? Number(value) : undefined;
}

function readingDraft(reading: unknown, event: Doc): Element {
  if (!isObject(reading)) return NO_METRICS;
  const name = own(reading, 'resourceName');
  if (typeof name !== 'string') return NO_METRICS;
  const metrics = emptyDoc();
  metrics[name] = typedValue(own(reading, 'value'), own(reading, 'valueType'));
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

/** EdgeX Foundry events. Origins are nanoseconds beyond 2^53. */
export const edgex: Preset = {
  name: 'edgex',
  summary: 'EdgeX Foundry events',
  defaults: ({ base_topic: base = 'edgex' }) => ({ codec: 'json', topic: `${base}/events/#` }),
  rest: ({ base_topic: base = 'edgex' }) => [`${base}/#`],
  shape: () => shape,
};
