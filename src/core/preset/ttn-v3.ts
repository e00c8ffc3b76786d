import type { Observed } from '../learn/observed.ts';
import { beside, telemetry, withPrefix, type Recognition } from '../learn/recognition.ts';
import { emptyDoc, isObject, own, type Doc } from '../mapping/document.ts';
import { IGNORED, type Draft } from '../mapping/draft.ts';
import type { Shape } from '../mapping/split.ts';
import type { Preset } from './preset.ts';
import { hasMetric, merged, strongestGateway } from './lorawan.ts';

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
  if (normalized.length > 0)
    return normalized.map((item) => draft(normalizedMetrics(item), own(item, 'time')));
  return draft(object(own(uplink, 'decoded_payload')), time);
};

const UPLINKS = 'v3/{application}/devices/{end_device}/up';

function recognise({ levels, document }: Observed): Recognition | undefined {
  const at = levels.indexOf('v3');
  if (at < 0 || levels[at + 2] !== 'devices' || document === undefined) return undefined;
  if (own(document, 'end_device_ids') === undefined) return undefined;
  const config = withPrefix(levels.slice(0, at), [UPLINKS]);
  return levels.slice(at + 4).join('/') === 'up' ? telemetry(config) : beside(config);
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
