import { aliasOf } from '../core/ingest/mapping/alias.ts';
import { type Doc, isObject, own, pointer, pointerTo, valueAt } from '../core/ingest/mapping/document.ts';
import { parseTime } from '../core/ingest/mapping/instant.ts';
import { NAME_KEYS, TIME_NAMES, VALUE_KEYS } from '../core/ingest/mapping/pair-keys.ts';
import { isQuantity, singleValueKey } from '../core/ingest/mapping/quantity.ts';
import { TIME_KEYS } from '../core/ingest/mapping/time.ts';
import { isNumericText } from '../core/ingest/mapping/value.ts';
import { UTC } from '../core/ingest/mapping/zone.ts';
import { isLocalTime } from '../core/ingest/preset/recognition.ts';
import type { Observed } from '../core/ingest/preset/samples.ts';
import type { RouteConfig } from '../core/ingest/route-config.ts';
import { groupedBy } from '../core/grouped.ts';
import { DEVICE_NAMES, type Split, deviceKey } from './device-key.ts';
import { hasNumber } from './non-telemetry.ts';
import { textFields } from './text-fields.ts';

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
/** Keys that number messages or their writers, and measure nothing. */
const NUMBERING =
  /^(?:seq(?:uence)?(?:_?n(?:o|umber|r))?|data_?set_?writer_?id|(?:msg|message|packet)_?(?:id|no|number|nr)|f_?cnt|(?:major|minor|spec|schema)_?version|version)$/i;
/** The receivers of a message, not its measurements. */
const RECEIVERS = /^(?:rx_?(?:info|meta_?data)|gateways?|gws?|lrrs?|hotspots?|receivers?|stations?)$/i;
const TEN_YEARS_US = 3650 * 86_400_000_000;

/** The members of a pair; the value may lie deeper. */
interface PairKeys {
  readonly name: string;
  readonly value: readonly [string, ...string[]];
}

/** Infers the shape from samples of one group; the first ones decide, and the dry run verifies. */
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
  const rootPairs = pairKeys(first) ?? pairPerMessage(split);
  const pairTime = pairTimeKey(
    rootPairs === undefined ? record : first,
    documents[0]?.message.receivedAtMs ?? 0,
  );
  const key = timeKey(split.map((one) => ({ ...one, receivedAtMs: one.message.receivedAtMs })));
  const time = pairTime ?? (key === undefined ? undefined : pointerTo(key));
  const device = deviceKey(split, rootPairs?.name);
  const texts = split.flatMap(({ record: one, outer, message }) => {
    const value = time === undefined ? undefined : (valueAt(one, time) ?? valueAt(outer ?? {}, time));
    return isLocalTime(value) && !message.retain ? [{ text: value, receivedAtMs: message.receivedAtMs }] : [];
  });
  const found = rootPairs === undefined ? innerOf(record) : { pivot: pivotOf('', rootPairs) };
  const inner = withFields(found, split);
  return {
    config: {
      ...(items === undefined ? {} : { items: pointerTo(items) }),
      ...inner,
      ...(device === undefined || device.isUsual ? {} : { device_path: device.path }),
      ...(time === undefined || isUsual(time.slice(1), TIME_KEYS) ? {} : { time: { path: time } }),
    },
    devices: device?.values,
    localTimes: texts,
  };
}

function withFields(inner: RouteConfig, split: readonly Split[]): RouteConfig {
  if (inner.pivot !== undefined) {
    const texts = pairTexts(split, inner.pivot);
    return texts.length === 0
      ? inner
      : { ...inner, fields: Object.fromEntries(texts.map((name) => [name, {}])) };
  }
  const isNoMetric = (key: string): boolean => TIME_NAMES.test(key) || DEVICE_NAMES.test(key);
  const records = split.map(({ record }) => record);
  const fields = textFields(
    records,
    inner.metrics_path === undefined ? undefined : pointer(inner.metrics_path).keys[0],
    isNoMetric,
  );
  return fields === undefined ? inner : { ...inner, fields };
}

const MAX_FIELDS = 50;

/** The names of pairs whose values are texts that hold numbers: a route takes those in `fields` only. */
function pairTexts(split: readonly Split[], { items, name, value }: Pivot): string[] {
  const pairs = split.flatMap(({ record }) => {
    const list = items === '' ? [record] : valueAt(record, items);
    return Array.isArray(list) ? (list as unknown[]).filter(isObject) : [];
  });
  const isText = (pair: Doc): boolean => {
    const found = valueAt(pair, value);
    return typeof found === 'string' && isNumericText(found.trim());
  };
  const byName = groupedBy(pairs, (pair) => valueAt(pair, name));
  return [...byName]
    .flatMap(([key, list]) =>
      typeof key === 'string' && aliasOf(key) === undefined && list.every(isText) ? [key] : [],
    )
    .slice(0, MAX_FIELDS);
}

type Pivot = NonNullable<RouteConfig['pivot']>;

const pivotOf = (items: string, { name, value }: PairKeys): Pivot => ({
  items,
  name: pointerTo(name),
  value: pointerTo(value[0]) + value.slice(1).map(pointerTo).join(''),
});

const isUsual = (key: string, usual: readonly string[]): boolean => usual.includes(key);
const isRecords = (value: unknown): value is Doc[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => isObject(item) && hasNumber(item, 0));
/** Names and values in pairs: an array of them is one record, not many. */
const pairKeys = (value: unknown): PairKeys | undefined => {
  if (!isRecords(value)) return undefined;
  const [first = {}] = value;
  const keys = Object.keys(first);
  const named = (wanted: readonly string[]): string[] =>
    wanted.flatMap((one) => keys.filter((key) => key.toLowerCase() === one));
  const name = named(NAME_KEYS).find((key) => value.every((pair) => typeof own(pair, key) === 'string'));
  const number = named(VALUE_KEYS).find((key) => value.every((pair) => own(pair, key) !== undefined));
  if (name === undefined || number === undefined) return undefined;
  // OPC UA: the value of a node is an object of value, status and times.
  const inside = own(first, number);
  const deeper = isObject(inside) ? singleValueKey(inside, (key) => TIME_NAMES.test(key)) : undefined;
  if (isObject(inside) && deeper === undefined) return undefined;
  return { name, value: deeper === undefined ? [number] : [number, deeper] };
};

const CHANNEL_KEYS = ['ch', 'channel', 'port', 'register', 'address', 'idx', 'index'];

/**
 * One message per value: `{"sensor": "temperature", "value": 21.5}`. The name is the metric's if it varies for one
 * topic and names quantities, or numbers channels.
 */
function pairPerMessage(split: readonly Split[]): PairKeys | undefined {
  const [{ record: first } = { record: {} }] = split;
  const value = Object.keys(first).find((key) => VALUE_KEYS.includes(key.toLowerCase()));
  const isPair = ({ record, outer }: Split): boolean =>
    (outer === undefined || outer === record) && value !== undefined && isPlainNumber(own(record, value));
  if (value === undefined || !split.every(isPair)) return undefined;
  const namesOf = (list: readonly Split[], key: string): unknown[] => [
    ...new Set(list.map(({ record }) => own(record, key))),
  ];
  const topics = [...groupedBy(split, ({ message }) => message.topic).values()];
  const isMetric = (key: string): boolean => {
    const names = namesOf(split, key);
    const isChannel = CHANNEL_KEYS.includes(key.toLowerCase());
    const says = (name: unknown): boolean =>
      isChannel ? Number.isSafeInteger(name) : typeof name === 'string' && isQuantity(name);
    const isNamed = (name: unknown): boolean => typeof name === 'string' || isChannel;
    return (
      names.length < split.length &&
      names.every(isNamed) &&
      names.filter(says).length * 2 >= names.length &&
      topics.some((list) => namesOf(list, key).length > 1)
    );
  };
  const wanted = [...NAME_KEYS.filter((key) => key !== 'id'), ...CHANNEL_KEYS];
  const name = Object.keys(first).find((key) => wanted.includes(key.toLowerCase()) && isMetric(key));
  return name === undefined ? undefined : { name, value: [value] };
}

const isPlainNumber = (value: unknown): boolean =>
  typeof value === 'number' ||
  typeof value === 'boolean' ||
  (typeof value === 'string' && isNumericText(value));

/** The member that holds the records of a batch. */
function itemsOf(document: unknown): string | undefined {
  if (!isObject(document)) return undefined;
  const arrays = Object.keys(document).filter((key) => isRecords(document[key]) && !RECEIVERS.test(key));
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
    return { pivot: pivotOf(pointerTo(key), pairs) };
  }
  const all = Object.entries(record).filter(([, value]) => isObject(value) && hasNumber(value, 0));
  // Beside the metrics there may be objects of other numbers, such as the codes of errors.
  const named = all.filter(([key]) => METRICS_KEYS.test(key));
  const objects =
    named.length === 1 && all.every(([key]) => METRICS_KEYS.test(key) || ASIDE.test(key)) ? named : all;
  const [only] = objects;
  const hasOther = Object.keys(record).some(
    (key) =>
      typeof record[key] === 'number' &&
      !TIME_NAMES.test(key) &&
      !DEVICE_NAMES.test(key) &&
      !NUMBERING.test(key),
  );
  if (objects.length !== 1 || only === undefined || hasOther || !METRICS_KEYS.test(only[0])) return {};
  return { metrics_path: pointerTo(only[0]) };
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

/** The pointer within the pairs to the time of each. */
function pairTimeKey(holder: unknown, receivedAtMs: number): string | undefined {
  const lists = Array.isArray(holder) ? [holder] : isObject(holder) ? Object.values(holder) : [];
  const pairs = lists.find((list) => pairKeys(list) !== undefined) as readonly Doc[] | undefined;
  const [first] = pairs ?? [];
  if (first === undefined) return undefined;
  const timesOf = (value: unknown): string[] =>
    isObject(value) ? Object.keys(value).filter((key) => TIME_NAMES.test(key)) : [];
  const { value: [at] = [''] } = pairKeys(pairs) ?? {};
  const paths = [...timesOf(first).map((key) => [key]), ...timesOf(own(first, at)).map((key) => [at, key])];
  return paths
    .map((path) => path.map(pointerTo).join(''))
    .find((path) =>
      pairs?.every((pair) => {
        const timeUs = parseTime(valueAt(pair, path), 'auto', UTC);
        return timeUs !== undefined && Math.abs(timeUs - receivedAtMs * 1000) < TEN_YEARS_US;
      }),
    );
}
