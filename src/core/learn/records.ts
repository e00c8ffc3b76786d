import { isObject, own, type Doc } from '../mapping/document.ts';
import { DEVICE_KEYS } from '../mapping/device.ts';
import { parseTime } from '../mapping/instant.ts';
import { TIME_KEYS } from '../mapping/time.ts';
import { UTC } from '../mapping/zone.ts';
import type { RouteConfig } from '../route-config.ts';
import { hasNumber } from './aside.ts';
import { isLocalTime } from './recognition.ts';
import type { Observed } from './observed.ts';

/** How the records of a JSON (CBOR, MessagePack) topic lie, in the words of a route. */
export interface RecordShape {
  readonly config: RouteConfig;
  /** The device as the payloads name it; undefined: they do not. */
  readonly devices: readonly string[] | undefined;
  /** Times without an offset, with the arrival. */
  readonly localTimes: readonly { readonly text: string; readonly receivedAtMs: number }[];
}

const METRICS_KEYS = /^(?:values?|data|metrics|measurements?|readings?|sensors?|fields|payload|telemetry)$/i;
const NAME_KEYS = ['n', 'name', 'key', 'metric', 'type', 'sensor', 'field', 'id', 'label'];
const VALUE_KEYS = ['v', 'value', 'val', 'reading'];
export const TIME_NAMES =
  /^(?:at|when|date|datetime|date_time|epoch|tst|utc|unix_?time|time_?ms|ts_?ms|t_?ms|time_?stamp(?:_?ms)?|(?:created|measured|sampled|sent|updated|recorded|received)_?(?:at|on|time)|last_(?:seen|updated(?:_ts)?)|(?:source|server|device|event|msg|message|gateway)_?time(?:_?stamp)?|time(?:_?utc)?|ts|t)$/i;
const DEVICE_NAMES =
  /^(?:dev(?:ice)?_?(?:id|name|eui|uid)?|node(?:_?id|_?name)?|sensor(?:_?id|_?name)?|serial(?:_?n(?:o|umber|r))?|mac(?:_?addr(?:ess)?)?|eui|uuid|unit_?id|station(?:_?id)?|gateway_?id|client_?id|name|id)$/i;
const TEN_YEARS_US = 3650 * 86_400_000_000;

/** Reads the shape from samples of one group; the first ones decide, and the trial judges. */
export function recordShape(messages: readonly Observed[]): RecordShape {
  const documents = messages.flatMap((message) =>
    message.content.kind === 'tree' ? [{ value: message.content.value, message }] : [],
  );
  const first = documents[0]?.value;
  const items = itemsOf(first);
  const split = documents.flatMap(({ value, message }) =>
    recordsOf(value, items).map((record) => ({
      record,
      message,
      outer: isObject(value) ? value : undefined,
    })),
  );
  const record = split[0]?.record ?? {};
  const inner = innerOf(record);
  const time = timeKey(split.map((one) => ({ ...one, receivedAtMs: one.message.receivedAtMs })));
  const device = deviceKey(split);
  const texts = split.flatMap(({ record: one, outer, message }) => {
    const value = time === undefined ? undefined : (own(one, time) ?? own(outer ?? {}, time));
    return isLocalTime(value) && !message.retain ? [{ text: value, receivedAtMs: message.receivedAtMs }] : [];
  });
  return {
    config: {
      ...(items === undefined ? {} : { items: pointerTo(items) }),
      ...inner,
      ...(device === undefined || isUsual(device.key, DEVICE_KEYS)
        ? {}
        : { device_path: pointerTo(device.key) }),
      ...(time === undefined || isUsual(time, TIME_KEYS) ? {} : { time: { path: pointerTo(time) } }),
    },
    devices: device?.values,
    localTimes: texts,
  };
}

const isUsual = (key: string, usual: readonly string[]): boolean => usual.includes(key);
export const pointerTo = (key: string): string => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
const isRecords = (value: unknown): value is Doc[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => isObject(item) && hasNumber(item, 0));
/** Names and values in pairs: an array of them is one record, not many. */
const pairKeys = (value: unknown): { name: string; value: string } | undefined => {
  if (!isRecords(value)) return undefined;
  const name = NAME_KEYS.find((key) => value.every((pair) => typeof own(pair, key) === 'string'));
  const number = VALUE_KEYS.find((key) => value.every((pair) => own(pair, key) !== undefined));
  return name === undefined || number === undefined ? undefined : { name, value: number };
};

/** The member that holds the records of a batch. */
function itemsOf(document: unknown): string | undefined {
  if (!isObject(document)) return undefined;
  const arrays = Object.keys(document).filter((key) => isRecords(document[key]));
  const [key] = arrays;
  return arrays.length === 1 && key !== undefined && pairKeys(document[key]) === undefined ? key : undefined;
}

function recordsOf(document: unknown, items: string | undefined): Doc[] {
  const root = items === undefined ? document : isObject(document) ? own(document, items) : undefined;
  return (Array.isArray(root) ? (root as unknown[]) : [root]).filter(isObject);
}

/** Metrics one level further down: in an object of their own, or as name and value pairs. */
function innerOf(record: Doc): RouteConfig {
  for (const [key, value] of Object.entries(record)) {
    const pairs = pairKeys(value);
    if (pairs === undefined) continue;
    return { pivot: { items: pointerTo(key), name: pointerTo(pairs.name), value: pointerTo(pairs.value) } };
  }
  const objects = Object.entries(record).filter(([, value]) => isObject(value) && hasNumber(value, 0));
  const [only] = objects;
  const beside = Object.keys(record).some(
    (key) => typeof record[key] === 'number' && !TIME_NAMES.test(key) && !DEVICE_NAMES.test(key),
  );
  if (objects.length !== 1 || only === undefined || beside || !METRICS_KEYS.test(only[0])) return {};
  return { metrics_path: pointerTo(only[0]) };
}

interface Split {
  readonly record: Doc;
  readonly outer: Doc | undefined;
}

/** The usual key for the time, or another that holds one in every record. */
function timeKey(split: readonly (Split & { readonly receivedAtMs: number })[]): string | undefined {
  const usual = TIME_KEYS.find((key) =>
    split.some(({ record, outer }) => own(record, key) !== undefined || own(outer ?? {}, key) !== undefined),
  );
  if (usual !== undefined) return usual;
  const keys = Object.keys(split[0]?.record ?? {}).filter((key) => TIME_NAMES.test(key));
  return keys.find((key) =>
    split.every(({ record, receivedAtMs }) => {
      const timeUs = parseTime(own(record, key), 'auto', UTC);
      return timeUs !== undefined && Math.abs(timeUs - receivedAtMs * 1000) < TEN_YEARS_US;
    }),
  );
}

function deviceKey(split: readonly Split[]): { key: string; values: string[] } | undefined {
  const valueOf = ({ record, outer }: Split, key: string): unknown =>
    own(record, key) ?? own(outer ?? {}, key);
  const isName = (value: unknown): boolean =>
    (typeof value === 'string' && value !== '') || (typeof value === 'number' && Number.isSafeInteger(value));
  const everywhere = (key: string): boolean => split.every((one) => isName(valueOf(one, key)));
  const [first] = split;
  if (first === undefined) return undefined;
  const others = [...Object.keys(first.record), ...Object.keys(first.outer ?? {})].filter((key) =>
    DEVICE_NAMES.test(key),
  );
  const key = [...DEVICE_KEYS, ...others].find(everywhere);
  if (key === undefined) return undefined;
  return { key, values: [...new Set(split.map((one) => String(valueOf(one, key))))] };
}
