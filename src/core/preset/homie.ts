import type { Preset } from './preset.ts';

/** Homie 3, 4 and 5: device `<device>/<node>`, one property per topic. Whatever starts with $ describes. */
export const homie: Preset = {
  name: 'homie',
  summary: 'Homie devices, convention 3 to 5',
  defaults: ({ base_topic: base = 'homie' }) => ({
    codec: 'scalar',
    topic: [`${base}/5/{homie_device}/{node}/{metric}`, `${base}/{homie_device}/{node}/{metric}`],
    device: '{homie_device}/{node}',
  }),
  rest: ({ base_topic: base = 'homie' }) => [`${base}/#`],
  ignores: (topic) => topic.includes('/$') || topic.endsWith('/set'),
};
