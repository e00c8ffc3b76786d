import { aliasOf } from '../mapping/alias.ts';
import { type Doc, emptyDoc, isObject, own } from '../mapping/document.ts';
import { type Draft, IGNORED } from '../mapping/draft.ts';
import type { Shape } from '../mapping/split.ts';
import { hasMetric, merged, strongestGateway } from './lorawan.ts';
import type { Preset } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry, withPrefix } from './recognition.ts';
import type { Observed } from './samples.ts';

const object = (value: unknown): Doc => (isObject(value) ? value : emptyDoc());

/** The time of an uplink: the network server's, the application server's, else the newest of the gateways'. */
function uplinkTime(record: Doc, uplink: Doc): unknown {
  const gateways = own(uplink, 'rx_metadata');
  const times = (Array.isArray(gateways) ? (gateways as unknown[]) : [])
    .map((gateway) => own(object(gateway), 'time'))
    .filter((time) => typeof time === 'string');
  // RFC 3339 in UTC sorts as text.
  return own(uplink, 'received_at') ?? own(record, 'received_at') ?? times.sort().at(-1) ?? null;
}

/** TTN's normalized payload: units are fixed, the battery is in volts. */
function normalizedMetrics(item: Doc): Doc {
  const metrics = emptyDoc();
  for (const key of Object.keys(item)) if (key !== 'time' && key !== 'air') metrics[key] = item[key];
  if (Object.hasOwn(item, 'battery')) {
    delete metrics['battery'];
    metrics['battery_voltage'] = item['battery'];
  }
  const { temperature, relativeHumidity, pressure, ...air } = merged(object(own(item, 'air')));
  return merged(metrics, { temperature, humidity: relativeHumidity, pressure, air });
}

/**
 * Decoded values without a normalized counterpart: excluding well-known metrics present in fixed units, and numbers
 * present under another name.
 */
function beyondNormalized(decoded: Doc, normalized: readonly Doc[]): Doc {
  const known = new Set(normalized.flatMap((item) => numbersIn(item)));
  const names = new Set(normalized.flatMap((item) => Object.keys(normalizedMetrics(item))));
  const isKnown = (key: string): boolean => {
    const name = aliasOf(key)?.name;
    return name !== undefined && (names.has(name) || (name === 'battery' && names.has('battery_voltage')));
  };
  const beyond = emptyDoc();
  for (const [key, value] of Object.entries(decoded))
    if (!isKnown(key) && numbersIn(value).some((number) => !known.has(number))) beyond[key] = value;
  return beyond;
}

/** Depth is bounded by the codec. */
function numbersIn(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersIn) : [];
}

/** The network's own figure for the battery, where the payload has none. */
function withNetwork(metrics: Doc, uplink: Doc): Doc {
  const battery = own(object(own(uplink, 'last_battery_percentage')), 'value');
  const known = hasMetric(metrics, 'battery') ? {} : { battery };
  return merged(metrics, known, strongestGateway(own(uplink, 'rx_metadata')));
}

const shape: Shape = (record) => {
  const uplink = own(record, 'uplink_message');
  if (!isObject(uplink)) return IGNORED;
  const time = uplinkTime(record, uplink);
  const device = own(object(own(record, 'end_device_ids')), 'device_id') ?? null;
  const draft = (metrics: Doc, itemTime: unknown): Draft => ({
    record,
    metrics: withNetwork(metrics, uplink),
    device,
    time: itemTime ?? time,
  });
  const normalized = [own(uplink, 'normalized_payload') ?? []].flat().filter(isObject);
  const decoded = object(own(uplink, 'decoded_payload'));
  if (normalized.length === 0) return draft(decoded, time);
  const items = normalized.map((item) => draft(normalizedMetrics(item), own(item, 'time')));
  const beyond = beyondNormalized(decoded, normalized);
  return Object.keys(beyond).length === 0 ? items : [...items, draft(beyond, time)];
};

const UPLINKS = 'v3/{application}/devices/{end_device}/up';

function recognise({ levels, document }: Observed): Recognition | undefined {
  const at = levels.indexOf('v3');
  if (at < 0 || levels[at + 2] !== 'devices' || document === undefined) return undefined;
  if (own(document, 'end_device_ids') === undefined) return undefined;
  const config = withPrefix(levels.slice(0, at), [UPLINKS]);
  return levels.slice(at + 4).join('/') === 'up' ? telemetry(config) : nonTelemetry(config);
}

/** The Things Stack v3: uplinks only. Zero, false and empty fields are not sent, and 64-bit integers are strings. */
export const ttnV3: Preset = {
  name: 'ttn-v3',
  summary: 'The Things Stack v3 uplinks',
  defaults: () => ({ codec: 'json', topic: UPLINKS }),
  rest: () => ['v3/#'],
  shape: () => shape,
  recognise,
};
