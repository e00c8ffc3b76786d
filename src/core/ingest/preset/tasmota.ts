import { type Ranges, rangesOfPart } from '../datasheet.ts';
import { type Doc, emptyDoc, isForbiddenKey, isObject, own } from '../mapping/document.ts';
import { type Draft, type Element, IGNORED } from '../mapping/draft.ts';
import type { Shape } from '../mapping/split.ts';
import type { RouteConfig } from '../route-config.ts';
import { topicList } from '../topic.ts';
import type { MetricsOfDevices, Preset, RouteFix } from './preset.ts';
import { type Recognition, nonTelemetry, telemetry } from './recognition.ts';
import type { Observed } from './samples.ts';
import { blockRanges, hasSecondBlock, joinedBlocks, splitBlock } from './tasmota-blocks.ts';

const NO_KEYS: ReadonlySet<string> = new Set();
/** Zigbee and LoRaWAN devices that a bridge receives; SetOption118 makes a topic's last level of the word. */
const BRIDGED = ['ZbReceived', 'LwReceived', 'LwDecoded'] as const;
const BRIDGED_KEYS: ReadonlySet<string> = new Set(BRIDGED);
/** Keys that identify such a device. */
const BRIDGED_IDENTITY = new Set(['Name', 'Device', 'Endpoint', 'Node', 'PressureUnit']);

/** It names its short address, whatever it is wrapped in: SetOption100 and 118 take the wrapper away. */
const isBridged = (value: unknown): value is Doc => {
  const address = isObject(value) ? own(value, 'Device') : undefined;
  return typeof address === 'string' && /^0x[0-9a-f]{4}$/i.test(address);
};

/** STATE: of the daemon's own figures only the radio, the battery and the supply voltage are measurements. */
function stateDraft(record: Doc): Element {
  const wifi = own(record, 'Wifi');
  const battery = own(record, 'BatteryPercentage');
  const metrics: Record<string, unknown> = {};
  // Wifi.RSSI is a quality in percent; Signal is dBm.
  if (isObject(wifi)) metrics['rssi'] = own(wifi, 'Signal');
  if (typeof battery === 'number' && battery <= 100) metrics['battery'] = battery;
  const supply = own(record, 'Vcc');
  if (typeof supply === 'number') metrics['Vcc'] = supply;
  // Without a radio (Ethernet) it measures nothing.
  return Object.keys(metrics).length === 0 ? IGNORED : { record, metrics, verbatim: true };
}

/** Numbers outside the sensors' blocks, as drivers and rules of the operator's own add them. */
function otherNumbers(sensors: Doc): Doc {
  const numbers = emptyDoc();
  for (const [key, value] of Object.entries(sensors))
    if (typeof value === 'number' && key !== 'Time' && key !== 'Epoch') numbers[key] = value;
  return numbers;
}

function sensorDrafts(record: Doc, split: boolean): Element[] {
  const wrapped = own(record, 'StatusSNS');
  const sensors = isObject(wrapped) ? wrapped : record;
  // SetOption119: only the topic identifies the device.
  if (isBridged(sensors)) return [bridgedDraft(record, sensors)];
  const children = bridgedDrafts(record, sensors);
  const blocks = Object.entries(sensors).filter(
    (entry): entry is [string, Doc] =>
      isObject(entry[1]) && !BRIDGED_KEYS.has(entry[0]) && !isBridged(entry[1]) && !isForbiddenKey(entry[0]),
  );
  const others = splitBlock(otherNumbers(sensors), sensors, NO_KEYS);
  const hasOthers = Object.keys(others).length > 0;
  if (split)
    return [
      ...children,
      ...(hasOthers ? [{ record, metrics: others, verbatim: true }] : []),
      ...blocks.map(([name, block]): Draft => ({
        record,
        metrics: splitBlock(block, sensors, new Set()),
        suffix: `/${name}`,
        verbatim: true,
      })),
    ];
  if (blocks.length === 0 && !hasOthers) return children;
  return [...children, { record, metrics: joinedBlocks(blocks, sensors, others), verbatim: true }];
}

/** Each received object of a bridge is a device, whatever `split_blocks` says. */
function bridgedDrafts(record: Doc, sensors: Doc): Draft[] {
  const wrappers = BRIDGED.map((key) => own(sensors, key)).filter(isObject);
  return [
    ...Object.entries(sensors).filter(([key, child]) => !BRIDGED_KEYS.has(key) && isBridged(child)),
    ...wrappers.filter((wrapper) => !isBridged(wrapper)).flatMap((wrapper) => Object.entries(wrapper)),
  ]
    .flatMap(([name, child]) =>
      isObject(child) && !isForbiddenKey(name) ? [bridgedDraft(record, child, `/${name}`)] : [],
    )
    .concat(wrappers.filter(isBridged).map((child) => bridgedDraft(record, child)));
}

const bridgedDraft = (record: Doc, child: Doc, suffix?: string): Draft => ({
  record,
  metrics: splitBlock(child, child, BRIDGED_IDENTITY),
  suffix,
  verbatim: true,
});

const shape =
  (split: boolean): Shape =>
  (record, { topic }) => {
    if (topic.endsWith('/STATE')) return stateDraft(record);
    if (/\/STATUS\d*$/.test(topic) && !isObject(own(record, 'StatusSNS'))) return IGNORED;
    const drafts = sensorDrafts(record, split);
    // A device without sensors reports its switches here.
    return drafts.length === 0 ? IGNORED : drafts;
  };

const TOPICS = [
  ['tele', 'SENSOR'],
  ['tele', 'STATE'],
  ['stat', 'STATUS8'],
  ['stat', 'STATUS10'],
  ...BRIDGED.map((name) => ['tele', name] as const),
] as const;

/** FullTopic is the operator's: the usual `%prefix%/%topic%/`, the other way round, or below something of their own. */
function recognise({ levels, document, content }: Observed): Recognition | undefined {
  if (levels[0] === 'tasmota' && levels[1] === 'discovery') return nonTelemetry();
  const last = levels.at(-1);
  const known = TOPICS.find(([prefix, name]) => name === last && levels.includes(prefix));
  if (known === undefined || levels.length < 3) {
    const lwt = levels[0] === 'tele' && last === 'LWT' && content.kind === 'text';
    return lwt && /^(?:online|offline)$/i.test(content.text) ? nonTelemetry() : undefined;
  }
  const wrapped = document === undefined ? undefined : own(document, 'StatusSNS');
  const sensors = isObject(wrapped) ? wrapped : document;
  // A Zigbee bridge sends no time.
  const isTasmota =
    sensors !== undefined &&
    (['Time', 'Epoch', ...BRIDGED].some((key) => own(sensors, key) !== undefined) ||
      [sensors, ...Object.values(sensors)].some(isBridged));
  if (!isTasmota) return undefined;
  const epoch = own(sensors, 'Epoch') !== undefined;
  return telemetry(fullTopic(levels, levels.indexOf(known[0])), epoch ? undefined : own(sensors, 'Time'));
}

function fullTopic(levels: readonly string[], at: number): RouteConfig {
  if (at === 0) return {};
  const before = levels.slice(0, at).join('/');
  const device = at === 1 ? '{device}' : '{device...}';
  return {
    topic: TOPICS.map(([prefix, name]) =>
      at === levels.length - 2 ? `${device}/${prefix}/${name}` : `${before}/${prefix}/{device...}/${name}`,
    ),
  };
}

/** A block is called like the part that it reads, and so is the device of `split_blocks`. */
function datasheet({ document = {} }: Observed, device: string): Ranges | undefined {
  const part = device.slice(device.lastIndexOf('/') + 1);
  const wrapped = own(document, 'StatusSNS');
  const sensors = isObject(wrapped) ? wrapped : document;
  return Object.hasOwn(sensors, part) && device !== part ? rangesOfPart(part) : blockRanges(sensors);
}

/**
 * Makes two sensors that measure the same devices of their own, which stay what they are. Otherwise the first one has the usual
 * name, or whichever is left when it is unplugged.
 */
function fix(route: RouteConfig, devices: MetricsOfDevices): RouteFix | undefined {
  if (route.split_blocks !== undefined || ![...devices.values()].some(hasSecondBlock)) return undefined;
  return {
    route: { ...route, split_blocks: true },
    hint: 'several sensors of one device measure the same: each is a device of its own',
  };
}

/** Tasmota: one object per sensor in a message; times without an offset are local. */
export const tasmota: Preset = {
  name: 'tasmota',
  summary: 'Tasmota devices, their BLE and Zigbee bridges included',
  statesUnits: true,
  defaults: () => ({
    codec: 'json',
    topic: TOPICS.map(([prefix, name]) => `${prefix}/{device...}/${name}`),
    // Epoch, where it is sent, needs no time zone.
    time: { path: ['/Epoch', '/Time', '/StatusSNS/Epoch', '/StatusSNS/Time'] },
  }),
  availability: ({ topic }) =>
    topicList(topic)
      .filter((text) => text.endsWith('/SENSOR'))
      .map((text) => ({ topic: text.replace(/SENSOR$/, 'LWT'), parts: true })),
  rest: () => ['tele/#', 'stat/#', 'cmnd/#', 'tasmota/discovery/#'],
  datasheet,
  shape: (config) => shape(config.split_blocks === true),
  fix,
  recognise,
};
