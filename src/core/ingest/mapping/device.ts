import type { Captures } from '../topic.ts';
import { type Doc, type Pointer, lookup, own } from './document.ts';
import type { Draft, Fault } from './draft.ts';

/** Keys that name the device when nothing else does (D8), in order; never metrics. */
export const DEVICE_KEYS = [
  'device_id',
  'deviceId',
  'device',
  'sensor_id',
  'sensorId',
  'sensor',
  'id',
  'mac',
] as const;

/** D6': any case, as with metrics. */
const RANKS: ReadonlyMap<string, number> = new Map(
  [...DEVICE_KEYS].reverse().map((key) => [key.toLowerCase(), DEVICE_KEYS.indexOf(key)]),
);
const LONGEST_KEY = Math.max(...DEVICE_KEYS.map((key) => key.length));

const MAX_DEVICE_BYTES = 256;
const NO_DEVICE: Fault = { fault: 'no_device' };
const BAD_DEVICE: Fault = { fault: 'bad_device' };

export interface DevicePlan {
  /** `device`: text with {segments}. */
  readonly template: string | undefined;
  /** `device_path`. */
  readonly path: Pointer | undefined;
}

/**
 * The device from the topic alone: the route's template filled in, or the captured {device}. An empty segment names
 * no device, even with others that are not empty.
 */
export function topicDevice(plan: DevicePlan, captures: Captures): string | Fault | undefined {
  const template = plan.template ?? (captures.has('device') ? '{device}' : undefined);
  if (template === undefined) return undefined;
  const text = filled(template, captures);
  return text === undefined ? NO_DEVICE : checkDevice(text);
}

/** The gateway from the topic: the route's template filled in, or the captured {gateway}; undefined where it names none. */
export function topicGateway(template: string | undefined, captures: Captures): string | undefined {
  const text = filled(template ?? (captures.has('gateway') ? '{gateway}' : ''), captures);
  if (text === undefined || text === '') return undefined;
  const checked = checkDevice(text);
  return typeof checked === 'string' ? checked : undefined;
}

/** Undefined where a segment is empty. */
function filled(template: string, captures: Captures): string | undefined {
  let empty = false;
  const text = template.replace(/\{([^{}]*)\}/g, (_, name: string) => {
    const value = captures.get(name) ?? '';
    if (value === '') empty = true;
    return value;
  });
  return empty ? undefined : text;
}

/** The device of one record: `device`, `device_path`, the topic's {device}, the format's own, the usual keys. */
export function deviceOf(
  plan: DevicePlan,
  fromTopic: string | Fault | undefined,
  draft: Draft,
): string | Fault {
  const base = baseDevice(plan, fromTopic, draft);
  if (draft.suffix === undefined || typeof base !== 'string') return base;
  return checkDevice(base + draft.suffix);
}

function baseDevice(plan: DevicePlan, fromTopic: string | Fault | undefined, draft: Draft): string | Fault {
  if (plan.template !== undefined && fromTopic !== undefined) return fromTopic;
  const { record, outer, pair, pairName } = draft;
  if (plan.path !== undefined)
    return readDevice(lookup(pair, plan.path) ?? lookup(record, plan.path) ?? lookup(outer, plan.path));
  if (fromTopic !== undefined) return fromTopic;
  if (draft.device !== undefined) return readDevice(draft.device);
  return readDevice(
    (pair === record ? undefined : usualDevice(record)) ??
      (outer && usualDevice(outer)) ??
      (pair && usualDevice(pair, pairName)),
  );
}

/**
 * The first of the usual keys that holds text or a number, in any case. An object there describes a device, it is no
 * name. `except` is another thing's name.
 */
export function usualDevice(record: Doc, except?: string): unknown {
  // wmbusmeters: `device` is the receiver, `id` the meter that it received.
  if (own(record, 'meter') !== undefined && own(record, 'media') !== undefined && isName(own(record, 'id')))
    return own(record, 'id');
  for (const key of DEVICE_KEYS) {
    const value = own(record, key);
    if (isName(value) && key !== except) return value;
  }
  let best: unknown;
  let bestRank = Infinity;
  for (const key of Object.keys(record)) {
    const rank = key.length > LONGEST_KEY || key === except ? undefined : RANKS.get(key.toLowerCase());
    if (rank === undefined || rank >= bestRank || !isName(record[key])) continue;
    best = record[key];
    bestRank = rank;
  }
  return best;
}

function isName(value: unknown): boolean {
  const type = typeof value;
  return (type === 'string' && value !== '') || type === 'number' || type === 'bigint';
}

export function readDevice(value: unknown): string | Fault {
  if (value === undefined || value === null) return NO_DEVICE;
  if (typeof value === 'string') return checkDevice(value);
  // D8: beyond 2^53 two devices would share one number, so such an id is refused even where it came through exactly.
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  return BAD_DEVICE;
}

/** PostgreSQL text refuses U+0000 and lone surrogates: one such key would fail a whole batch (D8). */
function checkDevice(text: string): string | Fault {
  if (text === '') return NO_DEVICE;
  if (/[\p{Cc}\p{Cs}]/u.test(text)) return BAD_DEVICE;
  // A UTF-16 unit takes at most three bytes: most keys need no encoding.
  if (text.length * 3 > MAX_DEVICE_BYTES && new TextEncoder().encode(text).length > MAX_DEVICE_BYTES)
    return BAD_DEVICE;
  return text;
}
