import { isSparkplugData } from '../codec/sparkplug.ts';
import type { Preset } from './preset.ts';

/** Eclipse Sparkplug B 3.0: device `group/node[/device]`. Births must be heard for data by alias to be read. */
export const sparkplugB: Preset = {
  name: 'sparkplug-b',
  summary: 'Sparkplug B edge nodes and their devices',
  defaults: () => ({ codec: 'sparkplug-b', topic: 'spBv1.0/#' }),
  ignores: (topic) => !isSparkplugData(topic),
};
