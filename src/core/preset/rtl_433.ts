import type { Observed } from '../learn/observed.ts';
import { beside, perhaps, telemetry, withBase, type Recognition } from '../learn/recognition.ts';
import { emptyDoc, own, type Doc } from '../mapping/document.ts';
import type { Shape } from '../mapping/split.ts';
import type { Preset } from './preset.ts';

/** rtl_433's own order of what identifies a device. */
const IDENTITY = ['type', 'model', 'subtype', 'channel', 'id'] as const;
const NOT_METRICS = new Set<string>([...IDENTITY, 'time', 'mic', 'mod', 'protocol']);

function deviceOf(record: Doc): unknown {
  const parts: string[] = [];
  for (const key of IDENTITY) {
    const part = own(record, key);
    if (part === undefined || part === null || part === '') continue;
    if (typeof part === 'string') parts.push(part);
    // An id that is no exact integer must not be glued in: it could be another device's.
    else if (typeof part === 'number' && Number.isSafeInteger(part)) parts.push(String(part));
    else return part;
  }
  return parts.length === 0 ? undefined : parts.join('/');
}

const shape: Shape = (record) => {
  const metrics = emptyDoc();
  for (const key of Object.keys(record))
    // Relative to the receiver, not dBm.
    if (!NOT_METRICS.has(key)) metrics[key === 'rssi' ? 'rssi_db' : key] = record[key];
  const sent = own(record, 'time');
  // "@0.125s" counts from the start of a recording.
  const time = typeof sent === 'string' && sent.startsWith('@') ? null : (sent ?? null);
  return { record, metrics, device: deviceOf(record), time, verbatim: true };
};

const MEASURED = /^(?:temperature_[CF]|humidity|pressure_\w+|battery_ok|wind_\w+|rain_\w+|moisture|mic|mod)$/;

function recognise({ topic, levels, document }: Observed): Recognition | undefined {
  const isEvent =
    document !== undefined &&
    typeof own(document, 'model') === 'string' &&
    own(document, 'time') !== undefined &&
    Object.keys(document).some((key) => MEASURED.test(key));
  const time = document === undefined ? undefined : own(document, 'time');
  if (isEvent && levels.at(-1) === 'events' && levels.length > 2)
    return telemetry(withBase(levels.slice(0, -2), 'rtl_433'), time);
  // `rtl_433 -F json | mosquitto_pub -l`: a topic of the operator's own.
  if (isEvent) return perhaps(telemetry({ topic }, time));
  return levels[0] === 'rtl_433' ? beside() : undefined;
}

/** rtl_433: local times, units in the keys. Only events; the per-device scalars repeat them. */
export const rtl433: Preset = {
  name: 'rtl_433',
  summary: 'radio sensors heard by rtl_433',
  defaults: ({ base_topic: base = 'rtl_433' }) => ({ codec: 'json', topic: `${base}/{host}/events` }),
  rest: ({ base_topic: base = 'rtl_433' }) => [`${base}/#`],
  shape: () => shape,
  recognise,
};
