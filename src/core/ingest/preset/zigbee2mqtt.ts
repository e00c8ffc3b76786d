import { isObject, own } from '../mapping/document.ts';
import type { Shape } from '../mapping/split.ts';
import type { FieldConfig } from '../route-config.ts';
import type { Preset } from './preset.ts';
import { type Recognition, nonTelemetry, weak, telemetry, withBase } from './recognition.ts';
import type { Observed } from './samples.ts';

const base = (config: { base_topic?: string | undefined }): string => config.base_topic ?? 'zigbee2mqtt';

/** No air on Earth has less than 300 hPa or more than 110 kPa. */
const LEAST_HPA = 150;

/** Two dozen models report pressure in kPa, the others in hPa; the payload does not state which. */
const shape: Shape = (record) => {
  const pressure = record['pressure'];
  if (typeof pressure !== 'number' || pressure >= LEAST_HPA || pressure <= 0)
    return { record, metrics: record };
  return { record, metrics: { ...record, pressure: pressure * 10 } };
};

/** A unit that the operator states is the unit. */
const isStated = (field: FieldConfig | undefined): boolean =>
  field?.unit !== undefined || field?.linear !== undefined;

const whole: Shape = (record) => ({ record, metrics: record });

/** The bridge identifies itself; a device elsewhere is recognised only by its link quality. */
function recognise({ levels, document, content }: Observed): Recognition | undefined {
  const at = levels.indexOf('bridge');
  if (at > 0 && isBridge(levels[at + 1], content.kind === 'tree' ? content.value : undefined))
    return nonTelemetry(withBase(levels.slice(0, at), 'zigbee2mqtt'));
  if (levels[0] === 'zigbee2mqtt' && levels.length > 1)
    return at < 0 && document !== undefined ? telemetry() : nonTelemetry();
  if (levels.length < 2 || document === undefined || typeof own(document, 'linkquality') !== 'number')
    return undefined;
  return weak(telemetry(withBase(levels.slice(0, 1), 'zigbee2mqtt')));
}

function isBridge(topic: string | undefined, value: unknown): boolean {
  if (topic === 'devices')
    return Array.isArray(value) && isObject(value[0]) && own(value[0], 'ieee_address') !== undefined;
  if (!isObject(value)) return false;
  if (topic === 'state') return own(value, 'state') === 'online' || own(value, 'state') === 'offline';
  return topic === 'info' && own(value, 'coordinator') !== undefined;
}

/** Zigbee2MQTT: the device is the topic behind the base; friendly names may hold slashes. */
export const zigbee2mqtt: Preset = {
  name: 'zigbee2mqtt',
  summary: 'Zigbee2MQTT devices',
  statesUnits: true,
  defaults: (config) => ({
    codec: 'json',
    topic: `${base(config)}/{device...}`,
    time: { path: '/last_seen' },
    // Identity and firmware: numbers, but no measurements.
    skip: ['last_seen', 'elapsed', 'update', 'update_available', 'device'],
  }),
  ignore: (config) => [
    `${base(config)}/bridge/#`,
    ...['set', 'get'].flatMap((verb) => [
      `${base(config)}/{name...}/${verb}`,
      `${base(config)}/{name...}/${verb}/{attribute}`,
    ]),
    `${base(config)}/{name...}/availability`,
  ],
  availability: (config) => [
    { topic: `${base(config)}/{device...}/availability` },
    // The bridge, where the route names it as the gateway of its devices.
    ...(config.gateway === undefined
      ? []
      : [{ topic: `${base(config)}/bridge/state`, device: config.gateway }]),
  ],
  shape: ({ fields }) => (isStated(fields?.['pressure']) ? whole : shape),
  recognise,
};
