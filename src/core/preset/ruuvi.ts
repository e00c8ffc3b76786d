import { own } from '../mapping/document.ts';
import type { Shape } from '../mapping/split.ts';
import type { Preset } from './preset.ts';
import { readRuuvi } from './ruuvi-df5.ts';

const shape: Shape = (record) => {
  const data = own(record, 'data');
  const tag = typeof data === 'string' ? readRuuvi(data) : undefined;
  if (tag === undefined) return { fault: 'unsupported', detail: 'no RuuviTag data format 5' };
  return {
    record,
    metrics: { rssi: own(record, 'rssi'), ...tag },
    time: own(record, 'ts') ?? null,
    verbatim: true,
  };
};

/** Ruuvi Gateway: what a tag broadcasts, in hex. The device is the tag's MAC in the topic. */
export const ruuvi: Preset = {
  name: 'ruuvi',
  summary: 'RuuviTags heard by a Ruuvi Gateway',
  defaults: ({ base_topic: base = 'ruuvi' }) => ({ codec: 'json', topic: `${base}/{gateway}/{device}` }),
  ignore: ({ base_topic: base = 'ruuvi' }) => [`${base}/{gateway}/gw_status`],
  rest: ({ base_topic: base = 'ruuvi' }) => [`${base}/#`],
  shape: () => shape,
};
