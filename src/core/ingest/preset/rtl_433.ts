import { type Doc, emptyDoc, own } from '../mapping/document.ts';
import type { Shape } from '../mapping/split.ts';
import { NEIGHBOURS, type Preset } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry, weak, withBase } from './recognition.ts';
import type { Observed } from './samples.ts';

/** rtl_433's own order of what identifies a device. */
const IDENTITY = ['type', 'model', 'subtype', 'channel', 'id'] as const;
/**
 * Keys that distinguish devices of one model whose decoder sends no `id`, by the sources of rtl_433: emonTx, FS20,
 * Sensible Living, KNX-RF, remotes, meters, and former names of ids. Not `code`: it may hold the measured values,
 * too.
 */
const OTHER_IDS: readonly (readonly string[])[] = [
  ['house_id', 'module_id'],
  ['housecode', 'address'],
  ['houseid', 'unitid'],
  ...['node', 'serial', 'sn', 'device_id', 'from_id', 'sender_id', 'src_id', 'uv_sensor_id'].map((key) => [
    key,
  ]),
  ...['sensor_id', 'sid', 'device', 'EndpointID', 'ERTSerialNumber', 'ids'].map((key) => [key]),
];
/** Models whose `id` numbers the messages: another key identifies the sender. */
const SENDERS: Readonly<Record<string, string>> = { 'RadioHead-ASK': 'from' };
const NOT_METRICS = new Set<string>([...IDENTITY, 'time', 'mic', 'mod', 'protocol']);

/** The keys that name the device of a record, in rtl_433's own order. */
function identityOf(record: Doc): readonly string[] {
  const model = own(record, 'model');
  const sender = typeof model === 'string' && Object.hasOwn(SENDERS, model) ? SENDERS[model] : undefined;
  if (sender !== undefined) return [...IDENTITY.slice(0, -1), sender];
  if (isGiven(own(record, 'id'))) return IDENTITY;
  const others = OTHER_IDS.find((keys) => keys.every((key) => isGiven(own(record, key))));
  return [...IDENTITY, ...(others ?? [])];
}

const isGiven = (part: unknown): boolean => part !== undefined && part !== null && part !== '';

function deviceOf(record: Doc, identity: readonly string[]): unknown {
  const parts: string[] = [];
  for (const key of identity) {
    const part = own(record, key);
    if (!isGiven(part)) continue;
    if (typeof part === 'string') parts.push(part);
    // An id that is no exact integer must not be glued in: it could be another device's.
    else if (typeof part === 'number' && Number.isSafeInteger(part)) parts.push(String(part));
    else return part;
  }
  return parts.length === 0 ? undefined : parts.join('/');
}

const shape: Shape = (record) => {
  const metrics = emptyDoc();
  const identity = identityOf(record);
  for (const key of Object.keys(record))
    // Relative to the receiver, not dBm.
    if (!NOT_METRICS.has(key) && !identity.includes(key))
      metrics[key === 'rssi' ? 'rssi_db' : key] = record[key];
  const sent = own(record, 'time');
  // "@0.125s" counts from the start of a recording.
  const time = typeof sent === 'string' && sent.startsWith('@') ? null : (sent ?? null);
  return { record, metrics, device: deviceOf(record, identity), time, verbatim: true };
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
  if (isEvent) return weak(telemetry({ topic }, time));
  return levels[0] === 'rtl_433' ? nonTelemetry() : undefined;
}

/** rtl_433: local times, units in the keys. Only events; the per-device scalars repeat them. */
export const rtl433: Preset = {
  name: 'rtl_433',
  summary: 'radio sensors received by rtl_433',
  statesUnits: true,
  hint: () => NEIGHBOURS,
  defaults: ({ base_topic: base = 'rtl_433' }) => ({ codec: 'json', topic: `${base}/{host}/events` }),
  rest: ({ base_topic: base = 'rtl_433' }) => [`${base}/#`],
  shape: () => shape,
  recognise,
};
