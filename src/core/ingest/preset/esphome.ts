import { topicList } from '../topic.ts';
import type { Preset } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry } from './recognition.ts';
import type { Observed } from './samples.ts';

const SENSOR = '/sensor/{metric}/state';

/** ESPHome's MQTT component: one value per topic, retained by default. */
export const esphome: Preset = {
  name: 'esphome',
  summary: 'ESPHome sensors over MQTT',
  defaults: ({ base_topic }) => ({
    codec: 'scalar',
    topic: `${prefix(base_topic)}{device...}/sensor/{metric}/state`,
  }),
  recognise,
  availability: ({ topic }) =>
    topicList(topic)
      .filter((text) => text.endsWith(SENSOR))
      .map((text) => ({ topic: `${text.slice(0, -SENSOR.length)}/status` })),
  rest: ({ base_topic }) => [`${prefix(base_topic)}{node...}/status`, `${prefix(base_topic)}{node...}/debug`],
};

/** `<prefix>/<component>/<name>/state`: numbers from sensors, ON and OFF from the others. */
function recognise({ levels, content }: Observed): Recognition | undefined {
  if (levels.length < 4 || levels.at(-1) !== 'state' || levels[0] === 'homeassistant') return undefined;
  // With a prefix of one level the subscription need not be #.
  const config = levels.length === 4 ? { topic: '{device}/sensor/{metric}/state' } : {};
  const component = levels.at(-3);
  if (component === 'sensor' && content.kind === 'number') return telemetry(config);
  const isSwitch = content.kind === 'text' && /^(?:ON|OFF)$/.test(content.text);
  return component === 'binary_sensor' && isSwitch ? nonTelemetry(config) : undefined;
}

const prefix = (base: string | undefined): string => (base === undefined ? '' : `${base}/`);
