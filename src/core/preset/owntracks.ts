import type { Preset } from './preset.ts';

/** OwnTracks: locations; other kinds of messages share the topic. */
export const owntracks: Preset = {
  name: 'owntracks',
  summary: 'phones that run OwnTracks',
  defaults: ({ base_topic: base = 'owntracks' }) => ({
    codec: 'json',
    topic: `${base}/{user}/{phone}`,
    device: '{user}/{phone}',
    where: { '/_type': 'location' },
    time: { path: '/tst', unit: 's' },
    fields: { pressure: { path: '/p', unit: 'kPa' } },
    skip: ['tst', 'created_at', '_type', 't', 'tid', '_id', 'm', 'bs'],
  }),
  rest: ({ base_topic: base = 'owntracks' }) => [`${base}/#`],
};
