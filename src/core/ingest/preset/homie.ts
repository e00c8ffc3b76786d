import type { Preset } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry, withBase } from './recognition.ts';
import type { Observed } from './samples.ts';

/** A device describes itself below `$`; version 5 has its number in the topic. */
function recognise({ levels, content }: Observed): Recognition | undefined {
  const at = levels.findIndex((level) => /^\$(?:homie|state|description|nodes|implementation)$/.test(level));
  if (at > 1)
    return nonTelemetry(withBase(levels.slice(0, levels[at - 2] === '5' ? at - 2 : at - 1), 'homie'));
  if (levels[0] !== 'homie' || levels.length < 4) return undefined;
  return content.kind === 'number' ? telemetry() : nonTelemetry();
}

/** Homie 3, 4 and 5: device `<device>/<node>`, one property per topic. Whatever starts with $ describes. */
export const homie: Preset = {
  name: 'homie',
  summary: 'Homie devices, convention 3 to 5',
  defaults: ({ base_topic: base = 'homie' }) => ({
    codec: 'scalar',
    topic: [`${base}/5/{homie_device}/{node}/{metric}`, `${base}/{homie_device}/{node}/{metric}`],
    device: '{homie_device}/{node}',
  }),
  availability: ({ base_topic: base = 'homie' }) =>
    [`${base}/5/{homie_device}/$state`, `${base}/{homie_device}/$state`].map((topic) => ({
      topic,
      device: '{homie_device}',
      parts: true,
    })),
  rest: ({ base_topic: base = 'homie' }) => [`${base}/#`],
  recognise,
  ignores: (topic) => topic.includes('/$') || topic.endsWith('/set'),
};
