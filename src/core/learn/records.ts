import { isObject, own, type Doc } from '../mapping/document.ts';
import { aliasOf } from '../mapping/alias.ts';
import { DEVICE_KEYS } from '../mapping/device.ts';
import { isNumericText } from '../mapping/value.ts';
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
const ASIDE = /^(?:errors?|metas?|meta_?data|info|header|context|tags)$/i;
const NAME_KEYS = ['n', 'name', 'key', 'metric', 'type', 'sensor', 'field', 'id', 'label'];
const VALUE_KEYS = ['v', 'value', 'val', 'reading'];
export const TIME_NAMES =
  /^(?:at|when|date|datetime|date_time|epoch|tst|utc|unix_?time|time_?ms|ts_?ms|t_?ms|time_?stamp(?:_?ms)?|(?:created|measured|sampled|sent|updated|recorded|received)_?(?:at|on|time)|last_(?:seen|updated(?:_ts)?)|(?:source|server|device|event|msg|message|gateway)_?time(?:_?stamp)?|time(?:_?utc)?|ts|t)$/i;
const DEVICE_NAMES =
  /^(?:dev(?:ice)?_?(?:id|name|eui|uid)?|node(?:_?id|_?name)?|sensor(?:_?id|_?name)?|serial(?:_?n(?:o|umber|r))?|mac(?:_?addr(?:ess)?)?|eui|uuid|unit_?id|station(?:_?id)?|gateway_?id|client_?id|source|name|id)$/i;
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
  const rootPairs = pairKeys(first);
  const pairTime = pairTimeKey(
    rootPairs === undefined ? record : first,
    documents[0]?.message.receivedAtMs ?? 0,
  );
  const time = pairTime ?? timeKey(split.map((one) => ({ ...one, receivedAtMs: one.message.receivedAtMs })));
  const device = deviceKey(split, rootPairs?.name);
  const texts = split.flatMap(({ record: one, outer, message }) => {
    const value = time === undefined ? undefined : (own(one, time) ?? own(outer ?? {}, time));
    return isLocalTime(value) && !message.retain ? [{ text: value, receivedAtMs: message.receivedAtMs }] : [];
  });
  const within = innerOf(record);
  const inner =
    rootPairs !== undefined
      ? { pivot: { items: '', name: pointerTo(rootPairs.name), value: pointerTo(rootPairs.value) } }
      : Object.keys(within).length > 0
        ? within
        : textFields(split.map((one) => one.record));
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
  const all = Object.entries(record).filter(([, value]) => isObject(value) && hasNumber(value, 0));
  // Beside the metrics there may be objects of other numbers, such as the codes of errors.
  const named = all.filter(([key]) => METRICS_KEYS.test(key));
  const objects =
    named.length === 1 && all.every(([key]) => METRICS_KEYS.test(key) || ASIDE.test(key)) ? named : all;
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

/** The member of the pairs that holds the time of each. */
function pairTimeKey(holder: unknown, receivedAtMs: number): string | undefined {
  const lists = Array.isArray(holder) ? [holder] : isObject(holder) ? Object.values(holder) : [];
  const pairs = lists.find((list) => pairKeys(list) !== undefined) as readonly Doc[] | undefined;
  const [first] = pairs ?? [];
  if (first === undefined) return undefined;
  return Object.keys(first).find(
    (key) =>
      TIME_NAMES.test(key) &&
      pairs?.every((pair) => {
        const timeUs = parseTime(own(pair, key), 'auto', UTC);
        return timeUs !== undefined && Math.abs(timeUs - receivedAtMs * 1000) < TEN_YEARS_US;
      }),
  );
}

const MAX_TEXT_FIELDS = 50;
const TEXT_UNITS: readonly (readonly [RegExp, 'F' | 'C' | 'hPa' | 'kPa' | 'inHg' | 'mV' | undefined])[] = [
  [/_(?:f|degf|degree_f)$/i, 'F'],
  [/_(?:c|degc|degree_c)$/i, 'C'],
  [/_(?:hpa|mbar)$/i, 'hPa'],
  [/_kpa$/i, 'kPa'],
  [/_inhg$/i, 'inHg'],
];

/** Text that holds a number counts in `fields` only: those whose text does in every record. */
function textFields(records: readonly Doc[]): RouteConfig {
  const [first] = records;
  const fields = Object.keys(first ?? {})
    .filter(
      (key) =>
        !TIME_NAMES.test(key) &&
        !DEVICE_NAMES.test(key) &&
        aliasOf(key) === undefined &&
        !/version$/i.test(key),
    )
    .filter((key) =>
      records.every(
        (one) => typeof own(one, key) === 'string' && isNumericText(String(own(one, key)).trim()),
      ),
    )
    .slice(0, MAX_TEXT_FIELDS)
    .map((key) => {
      const [suffix, unit] = TEXT_UNITS.find(([pattern]) => pattern.test(key)) ?? [];
      const name = suffix === undefined ? key : key.replace(suffix, '');
      return [name, unit === undefined ? { path: pointerTo(key) } : { path: pointerTo(key), unit }] as const;
    });
  const names = new Set(fields.map(([name]) => name));
  return fields.length === 0 || names.size < fields.length ? {} : { fields: Object.fromEntries(fields) };
}

/** So many messages with an id each, of which none comes back: they number the messages. */
const NUMBERED = 4;

function deviceKey(split: readonly Split[], except?: string): { key: string; values: string[] } | undefined {
  const valueOf = ({ record, outer }: Split, key: string): unknown =>
    own(record, key) ?? own(outer ?? {}, key);
  const isName = (value: unknown): boolean =>
    (typeof value === 'string' && value !== '') || (typeof value === 'number' && Number.isSafeInteger(value));
  const everywhere = (key: string): boolean =>
    key !== except && split.every((one) => isName(valueOf(one, key)));
  const [first] = split;
  if (first === undefined) return undefined;
  const others = [...Object.keys(first.record), ...Object.keys(first.outer ?? {})].filter((key) =>
    DEVICE_NAMES.test(key),
  );
  const isMeter = 'meter' in first.record && 'media' in first.record;
  const keys = [...(isMeter ? ['id'] : []), ...DEVICE_KEYS, ...others].filter(everywhere);
  const valuesOf = (key: string): string[] => [...new Set(split.map((one) => String(valueOf(one, key))))];
  const repeats = (key: string): boolean => split.length < NUMBERED || valuesOf(key).length < split.length;
  const key = keys.find(repeats) ?? keys.find((one) => !valuesOf(one).every((value) => EVENT_ID.test(value)));
  return key === undefined ? undefined : { key, values: valuesOf(key) };
}

/** A UUID, a long hash, a running number: what numbers events, if none comes back. */
const EVENT_ID = /^(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16,}|\d+)$/i;
