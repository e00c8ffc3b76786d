import type { Availability } from '../reading.ts';
import { decodeJson } from './codec/json.ts';
import { decodeText } from './codec/text.ts';
import { isObject, own } from './mapping/document.ts';
import type { RouteConfig } from './route-config.ts';
import { type Captures, type TopicPattern, parseTopicPattern } from './topic.ts';

/** A topic that reports whether a device is online: an availability, a last will, a death certificate. */
export interface AvailabilityTopic {
  /** A topic pattern. */
  readonly topic: string;
  /** The device, with the segments of the topic; default: `{device}`, without that segment the gateway. */
  readonly device?: string;
  /** The devices that are parts of it are there, or not, with it: `<device>/…` and `<device>:…`. */
  readonly parts?: boolean;
  /** The state that any message on it reports; without it the payload does. */
  readonly online?: boolean;
  /** The payloads for the states, in addition to the usual words. */
  readonly payload_available?: string | undefined;
  readonly payload_not_available?: string | undefined;
}

export type AvailabilityReader = (payload: Uint8Array) => Availability | undefined;

interface Compiled extends AvailabilityTopic {
  readonly pattern: TopicPattern;
  readonly device: string;
}

/** The availability topics of a route. */
export class AvailabilityTopics {
  readonly filters: readonly string[];
  private readonly topics: readonly Compiled[];

  constructor(topics: readonly AvailabilityTopic[], route: Pick<RouteConfig, 'device' | 'gateway'>) {
    this.topics = topics.flatMap((topic) => {
      const parsed = parseTopicPattern(topic.topic);
      if (!parsed.ok) return [];
      const { pattern } = parsed;
      const device = topic.device ?? deviceIn(pattern, route);
      return device === undefined ? [] : [{ ...topic, pattern, device }];
    });
    this.filters = this.topics.map(({ pattern }) => pattern.filter);
  }

  /** How to read a message of `topic`; undefined: it is no such topic. */
  readerOf(topic: string): AvailabilityReader | undefined {
    for (const each of this.topics) {
      const captures = each.pattern.match(topic);
      const device = captures === undefined ? undefined : filled(each.device, captures);
      if (device === undefined) continue;
      return (payload) => {
        const online = each.online ?? onlineIn(payload, each);
        return online === undefined ? undefined : { device, parts: each.parts === true, online };
      };
    }
    return undefined;
  }
}

/** The availability topics that a route states itself; they take the place of the preset's. */
export function statedAvailability({ availability }: RouteConfig): readonly AvailabilityTopic[] | undefined {
  if (availability === undefined) return undefined;
  return [availability].flat().map((topic) => (typeof topic === 'string' ? { topic } : topic));
}

/** The sensor that an availability topic is about: the device, as the route names it where the topic has what that takes, or the gateway. */
export function deviceIn(
  pattern: TopicPattern,
  { device, gateway = '{gateway}' }: Pick<RouteConfig, 'device' | 'gateway'>,
): string | undefined {
  return [device, '{device}', gateway].find((template) => isFilledBy(template, pattern));
}

function isFilledBy(template: string | undefined, { names }: TopicPattern): boolean {
  if (template === undefined) return false;
  return [...template.matchAll(/\{([^{}]*)\}/g)].every(([, name]) => names.includes(name ?? ''));
}

function filled(template: string, captures: Captures): string | undefined {
  let complete = true;
  const text = template.replace(/\{([^{}]*)\}/g, (_, name: string) => {
    const value = captures.get(name) ?? '';
    if (value === '') complete = false;
    return value;
  });
  return complete ? text : undefined;
}

/** Home Assistant, Tasmota, Zigbee2MQTT, ESPHome; Homie's states; zwave-js-ui's nodes; Shelly's booleans. */
const ONLINE =
  /^(?:online|available|connected|ready|alive|awake|asleep|sleeping|init|alert|up|true|1|on|yes)$/i;
const OFFLINE = /^(?:offline|unavailable|not[ _]available|disconnected|lost|dead|down|false|0|off|no)$/i;
const KEYS = ['state', 'status', 'availability', 'online', 'connected', 'value'];
const MAX_DEPTH = 8;

type Payloads = Pick<AvailabilityTopic, 'payload_available' | 'payload_not_available'>;

/** The state in the payload: a word, or a JSON object with one. Undefined: neither. */
function onlineIn(payload: Uint8Array, payloads: Payloads): boolean | undefined {
  const decoded = decodeText(payload);
  if (typeof decoded !== 'string') return undefined;
  const text = decoded.trim();
  const says = onlineWord(text.replace(/^"(.*)"$/, '$1'), payloads);
  if (says !== undefined || !text.startsWith('{')) return says;
  const json = decodeJson(payload, MAX_DEPTH);
  if (json.kind !== 'document' || !isObject(json.value)) return undefined;
  for (const key of KEYS) {
    const value = own(json.value, key);
    if (typeof value !== 'string' && typeof value !== 'boolean' && typeof value !== 'number') continue;
    const found = onlineWord(String(value), payloads);
    if (found !== undefined) return found;
  }
  return undefined;
}

function onlineWord(word: string, payloads: Payloads): boolean | undefined {
  if (word === payloads.payload_available) return true;
  if (word === payloads.payload_not_available) return false;
  if (ONLINE.test(word)) return true;
  return OFFLINE.test(word) ? false : undefined;
}
