import { DEVICE_KEYS } from './device.ts';
import { type Doc, type Pointer, isObject, own } from './document.ts';
import { isQuantity } from './quantity.ts';

/** Keys that name the metric of a pair, in order of preference, in any case. */
export const NAME_KEYS = [
  ...['n', 'name', 'key', 'metric', 'sensor', 'field', 'label', 'tag', 'variable'],
  ...['displayname', 'nodeid', 'parameter', 'quantity', 'measurement', 'id'],
  // Often the type of the data: only where nothing else names the pair.
  ...['type', 'value_type', 'valuetype', 'sensor_type'],
];
export const VALUE_KEYS = ['v', 'value', 'val', 'reading'];
export const TIME_NAMES =
  /^(?:at|when|date|datetime|date_time|epoch|tst|utc|unix_?time|time_?ms|ts_?ms|t_?ms|time_?stamp(?:_?ms)?|(?:created|measured|sampled|sent|updated|recorded|received)_?(?:at|on|time)|last_(?:seen|updated(?:_ts)?)|(?:source|server|device|event|msg|message|gateway)_?time(?:_?stamp)?|time(?:_?utc)?|ts|t)$/i;

/** Numbers in a pair that describe its value; any other one is a measurement of its own. */
const DESCRIBES =
  /^(?:id|idx|index|address|register|channel|ch|q|qc|quality|status(?:_?code)?|ack|type|\w*data_?type|unit|uom|u|ut|seq(?:uence)?(?:_?n(?:o|umber|r))?|scale|precision|decimals)$/i;

/** Keys that name a thing as likely as a metric: only where no two records have the same value. */
const THINGS = new Set(['id', 'sensor', 'label']);
const TYPES = new Set(['type', 'value_type', 'valuetype', 'sensor_type']);
const DEVICES = new Set(DEVICE_KEYS.map((key) => key.toLowerCase()));

/** Where the name and the value of each pair are. */
export interface PairMembers {
  readonly name: Pointer;
  readonly value: Pointer;
}

interface PairFacts {
  /** Keys that have another use in this route. */
  readonly used: ReadonlySet<string>;
  /** Whether the topic or the route names the device: else a member such as `sensor` does. */
  readonly hasDevice: boolean;
}

/**
 * D14': the members of the pairs that an array without a `pivot` consists of; undefined if its records are repetitions,
 * or if it is not certain. By their form alone, as far as possible: a metric keeps its name whatever is sent with it.
 */
export function pairMembers(
  records: readonly unknown[],
  { used, hasDevice }: PairFacts,
): PairMembers | undefined {
  const [first] = records;
  if (!isObject(first)) return undefined;
  const name = memberOf(
    first,
    NAME_KEYS,
    (key) => !used.has(key) && (hasDevice || !DEVICES.has(key.toLowerCase())),
  );
  const value = memberOf(first, VALUE_KEYS, (key) => !used.has(key));
  if (name === undefined || value === undefined) return undefined;
  const isPair = (record: unknown): record is Doc => isObject(record) && isPairOf(record, name, value);
  if (!records.every(isPair)) return undefined;
  const names = records.map((record) => own(record, name));
  const kind = name.toLowerCase();
  if (TYPES.has(kind) && !names.every((one) => typeof one === 'string' && isQuantity(one))) return undefined;
  if (THINGS.has(kind) && new Set(names).size < names.length) return undefined;
  return { name: memberPointer(name), value: memberPointer(value) };
}

const memberPointer = (key: string): Pointer => ({ text: '', keys: [key] });

/** The first of `wanted` that the record has. */
function memberOf(
  record: Doc,
  wanted: readonly string[],
  isFree: (key: string) => boolean,
): string | undefined {
  const keys = Object.keys(record).filter(isFree);
  for (const one of wanted) {
    const found = keys.find(
      (key) => key.length === one.length && key.toLowerCase() === one && isPlain(record[key]),
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

const isPlain = (value: unknown): boolean => typeof value !== 'object' || value === null;

function isPairOf(record: Doc, name: string, value: string): boolean {
  const text = own(record, name);
  if ((typeof text !== 'string' || text === '') && !Number.isSafeInteger(text)) return false;
  return Object.keys(record).every((key) => {
    const member = record[key];
    if (key === value || key === name) return isPlain(member);
    return typeof member !== 'number' || TIME_NAMES.test(key) || DESCRIBES.test(key);
  });
}
