import { type Doc, emptyDoc, isObject, own } from '../mapping/document.ts';
import type { Element } from '../mapping/draft.ts';
import type { Shape } from '../mapping/split.ts';
import { mappedNumber } from '../mapping/value.ts';
import { hasMetric, merged, strongestGateway } from './lorawan.ts';
import type { Preset } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry, withPrefix } from './recognition.ts';
import type { Observed } from './samples.ts';

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

const TOPICS = ['up', 'status'].map((event) => `application/{application}/device/{dev_eui}/event/${event}`);

function recognise({ levels, document, content, payload }: Observed): Recognition | undefined {
  const at = levels.indexOf('application');
  if (at < 0 || levels[at + 2] !== 'device' || levels[at + 4] !== 'event') return undefined;
  const isJson = document !== undefined && own(document, 'deviceInfo') !== undefined;
  // Version 3 has JSON on the same topics, without deviceInfo. Protobuf starts with field 1 or 2, of bytes.
  const isProtobuf =
    content.kind !== 'empty' && document === undefined && [0x0a, 0x12].includes(payload[0] ?? 0);
  if (!isJson && !isProtobuf) return undefined;
  const config = {
    ...withPrefix(levels.slice(0, at), TOPICS),
    ...(isProtobuf ? { encoding: 'protobuf' } : {}),
  };
  return ['up', 'status'].includes(levels[at + 5] ?? '') ? telemetry(config) : nonTelemetry(config);
}

/** ChirpStack v4: uplinks and device status, as JSON or as protobuf. */
export const chirpstackV4: Preset = {
  name: 'chirpstack-v4',
  summary: 'ChirpStack v4 uplinks and device status',
  encodings: ['json', 'protobuf'],
  defaults: ({ encoding }) => ({
    codec: encoding === 'protobuf' ? 'chirpstack-protobuf' : 'json',
    topic: TOPICS,
    device_path: '/deviceInfo/devEui',
    time: { path: '/time' },
  }),
  rest: () => ['application/#', 'gateway/#'],
  shape: () => shape,
  recognise,
};
