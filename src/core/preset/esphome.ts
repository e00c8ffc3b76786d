import type { Preset } from './preset.ts';

/** ESPHome's MQTT component: one value per topic, retained by default. */
export const esphome: Preset = {
  name: 'esphome',
  summary: 'ESPHome sensors over MQTT',
  defaults: ({ base_topic }) => ({
    codec: 'scalar',
    topic: `${prefix(base_topic)}{device...}/sensor/{metric}/state`,
  }),
  rest: ({ base_topic }) => [`${prefix(base_topic)}{node...}/status`, `${prefix(base_topic)}{node...}/debug`],
};

const prefix = (base: string | undefined): string => (base === undefined ? '' : `${base}/`);
