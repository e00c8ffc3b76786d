import type { Ranges } from '../datasheet.ts';
import { own } from '../mapping/document.ts';
import { LossTally } from '../mapping/losses.ts';
import type { Shape } from '../mapping/split.ts';
import type { Preset } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry, withBase } from './recognition.ts';
import { readRuuvi } from './ruuvi-data.ts';
import { readDecoded } from './ruuvi-decoded.ts';
import type { Observed } from './samples.ts';

const shape: Shape = (record) => {
  const data = own(record, 'data');
  const tag = (typeof data === 'string' ? readRuuvi(data) : undefined) ?? readDecoded(record);
  if (tag === undefined)
    return { fault: 'unsupported', detail: 'neither Ruuvi data format 3, 5, 6 or E1 nor decoded' };
  const losses = new LossTally();
  for (const name of tag.leftOut) losses.drop(name);
  return {
    record,
    metrics: { rssi: own(record, 'rssi'), ...tag.metrics },
    time: own(record, 'ts') ?? null,
    verbatim: true,
    ...(tag.leftOut.length > 0 ? { losses } : {}),
  };
};

function recognise({ levels, document }: Observed): Recognition | undefined {
  if (levels.length < 3 || document === undefined) return undefined;
  const ofGateway = own(document, 'gw_mac') !== undefined && own(document, 'gwts') !== undefined;
  const isTag = typeof own(document, 'data') === 'string' || own(document, 'dataFormat') !== undefined;
  if (ofGateway && isTag) return telemetry(withBase(levels.slice(0, -2), 'ruuvi'));
  return levels[0] === 'ruuvi' && levels.at(-1) === 'gw_status' ? nonTelemetry() : undefined;
}

/** Ruuvi Gateway: what a tag broadcasts, in hex, decoded by the gateway, or both. The device is the tag's MAC in the topic. */
/** RuuviTags of all generations: a sensor for humidity of 100 % at most, one for pressure of 300 to 1,200 hPa. */
const RANGES: Ranges = {
  temperature: { min: -40, max: 85 },
  humidity: { min: 0, max: 100 },
  pressure: { min: 300, max: 1200 },
};

export const ruuvi: Preset = {
  name: 'ruuvi',
  summary: 'RuuviTags received by a Ruuvi Gateway',
  statesUnits: true,
  defaults: ({ base_topic: base = 'ruuvi' }) => ({ codec: 'json', topic: `${base}/{gateway}/{device}` }),
  ignore: ({ base_topic: base = 'ruuvi' }) => [`${base}/{gateway}/gw_status`],
  rest: ({ base_topic: base = 'ruuvi' }) => [`${base}/#`],
  shape: () => shape,
  datasheet: () => RANGES,
  recognise,
};
