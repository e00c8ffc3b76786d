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

/** rtl_433: local times, units in the keys. Only events; the per-device scalars repeat them. */
export const rtl433: Preset = {
  name: 'rtl_433',
  summary: 'radio sensors heard by rtl_433',
  defaults: ({ base_topic: base = 'rtl_433' }) => ({ codec: 'json', topic: `${base}/{host}/events` }),
  rest: ({ base_topic: base = 'rtl_433' }) => [`${base}/#`],
  shape: () => shape,
};
