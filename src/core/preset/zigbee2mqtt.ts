import type { Preset } from './preset.ts';

const base = (config: { base_topic?: string | undefined }): string => config.base_topic ?? 'zigbee2mqtt';

/** Zigbee2MQTT: the device is the topic behind the base; friendly names may hold slashes. */
export const zigbee2mqtt: Preset = {
  name: 'zigbee2mqtt',
  summary: 'Zigbee2MQTT devices',
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
};
