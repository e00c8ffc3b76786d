import { emptyDoc, isObject, own, type Doc } from '../mapping/document.ts';
import type { Element } from '../mapping/draft.ts';
import type { Shape } from '../mapping/split.ts';
import { mappedNumber } from '../mapping/value.ts';
import { hasMetric, merged, strongestGateway } from './lorawan.ts';
import type { Preset } from './preset.ts';

/** Cayenne LPP as ChirpStack decodes it: type, then channel. One channel alone is the device's. */
const CAYENNE = [
  ['temperatureSensor', 'temperature'],
  ['humiditySensor', 'humidity'],
  ['barometer', 'pressure'],
] as const;

function objectMetrics(object: Doc): Doc {
  const metrics = merged(object);
  for (const [type, name] of CAYENNE) {
    const channels = own(object, type);
    const values = isObject(channels) ? Object.values(channels) : [];
    if (values.length !== 1 || mappedNumber(values[0]) === undefined || hasMetric(metrics, name)) continue;
    delete metrics[type];
    metrics[name] = values[0];
  }
  return metrics;
}

function uplink(record: Doc): Element {
  const object = own(record, 'object');
  const decoded = isObject(object) ? objectMetrics(object) : emptyDoc();
  return { record, metrics: merged(decoded, strongestGateway(own(record, 'rxInfo'))) };
}

function status(record: Doc): Element {
  const metrics = emptyDoc();
  metrics['margin'] = own(record, 'margin');
  // On mains, or without an answer, the level is a zero that means nothing.
  const none = own(record, 'batteryLevelUnavailable') === true || own(record, 'externalPowerSource') === true;
  if (!none) metrics['battery'] = own(record, 'batteryLevel');
  return { record, metrics, verbatim: true };
}

const shape: Shape = (record, { topic }) => (topic.endsWith('/status') ? status(record) : uplink(record));

/** ChirpStack v4: uplinks and device status, as JSON or as protobuf. */
export const chirpstackV4: Preset = {
  name: 'chirpstack-v4',
  summary: 'ChirpStack v4 uplinks and device status',
  encodings: ['json', 'protobuf'],
  defaults: ({ encoding }) => ({
    codec: encoding === 'protobuf' ? 'chirpstack-protobuf' : 'json',
    topic: [
      'application/{application}/device/{dev_eui}/event/up',
      'application/{application}/device/{dev_eui}/event/status',
    ],
    device_path: '/deviceInfo/devEui',
    time: { path: '/time' },
  }),
  rest: () => ['application/#', 'gateway/#'],
  shape: () => shape,
};
