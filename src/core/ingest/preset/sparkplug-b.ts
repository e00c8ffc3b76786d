import { isSparkplugData } from '../codec/sparkplug.ts';
import { topicList } from '../topic.ts';
import type { Preset } from './preset.ts';
import { type Recognition, beside, telemetry, withPrefix } from './recognition.ts';
import type { Observed } from './samples.ts';

function recognise({ topic, levels }: Observed): Recognition | undefined {
  const at = levels.indexOf('spBv1.0');
  if (at < 0) return undefined;
  const config = withPrefix(levels.slice(0, at), ['spBv1.0/#']);
  return isSparkplugData(topic) ? telemetry(config) : beside(config);
}

/** Eclipse Sparkplug B 3.0: device `group/node[/device]`. Births must be heard for data by alias to be read. */
export const sparkplugB: Preset = {
  name: 'sparkplug-b',
  summary: 'Sparkplug B edge nodes and their devices',
  defaults: () => ({ codec: 'sparkplug-b', topic: 'spBv1.0/#' }),
  ignores: (topic) => !isSparkplugData(topic),
  recognise,
  // What a node or a device publishes after its death, from its birth on, says that it is there again.
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
