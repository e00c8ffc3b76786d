import { own } from '../mapping/document.ts';
import type { Preset } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry, withBase } from './recognition.ts';
import type { Observed } from './samples.ts';

function recognise({ levels, document }: Observed): Recognition | undefined {
  const type = document === undefined ? undefined : own(document, '_type');
  if (type === 'location' && levels.length > 2 && own(document ?? {}, 'tst') !== undefined)
    return telemetry(withBase(levels.slice(0, -2), 'owntracks'));
  return levels[0] === 'owntracks' && typeof type === 'string' ? nonTelemetry() : undefined;
}

/** OwnTracks: locations; other kinds of messages share the topic. */
export const owntracks: Preset = {
  name: 'owntracks',
  summary: 'phones that run OwnTracks',
  statesUnits: true,
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
  recognise,
};
