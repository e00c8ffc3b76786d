import { isSparkplugData } from '../codec/sparkplug.ts';
import { topicList } from '../topic.ts';
import type { Preset } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry, withPrefix } from './recognition.ts';
import type { Observed } from './samples.ts';

function recognise({ topic, levels }: Observed): Recognition | undefined {
  const at = levels.indexOf('spBv1.0');
  if (at < 0) return undefined;
  const config = withPrefix(levels.slice(0, at), ['spBv1.0/#']);
  return isSparkplugData(topic) ? telemetry(config) : nonTelemetry(config);
}

/** Eclipse Sparkplug B 3.0: device `group/node[/device]`. Data by alias can be read only after its birth was received. */
export const sparkplugB: Preset = {
  name: 'sparkplug-b',
  summary: 'Sparkplug B edge nodes and their devices',
  defaults: () => ({ codec: 'sparkplug-b', topic: 'spBv1.0/#' }),
  ignores: (topic) => !isSparkplugData(topic),
  recognise,
  // A node's or a device's messages after its death, from its birth on, report it online again.
  availability: ({ topic }) =>
    topicList(topic)
      .filter((text) => text.endsWith('spBv1.0/#'))
      .flatMap((text) => [
        {
          topic: text.replace(/#$/, '{group}/NDEATH/{node}'),
          device: '{group}/{node}',
          parts: true,
          online: false,
        },
        {
          topic: text.replace(/#$/, '{group}/DDEATH/{node}/{device}'),
          device: '{group}/{node}/{device}',
          online: false,
        },
      ]),
};
