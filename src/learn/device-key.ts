import { DEVICE_KEYS, usualDevice } from '../core/ingest/mapping/device.ts';
import { type Doc, isObject, own, pointerTo, valueAt } from '../core/ingest/mapping/document.ts';
import { TIME_NAMES } from '../core/ingest/mapping/pair-keys.ts';
import { isQuantity } from '../core/ingest/mapping/quantity.ts';
import type { Observed } from '../core/ingest/preset/samples.ts';
import { groupedBy } from '../core/grouped.ts';

/** A record, with the document and the message that it came in. */
export interface Split {
  readonly record: Doc;
  readonly outer: Doc | undefined;
  readonly message: Observed;
}

export const DEVICE_NAMES =
  /^(?:dev(?:ice)?_?(?:id|name|eui|uid)?|node(?:_?id|_?name)?|sensor(?:_?id|_?name)?|serial(?:_?n(?:o|umber|r))?|mac(?:_?addr(?:ess)?)?|eui|imei|uuid|unit_?id|station(?:_?id)?|gateway_?id|client_?id|source|name|id)$/i;

/** This many messages with an id each, of which none recurs: they number the messages. */
const NUMBERED = 4;

interface DeviceKey {
  /** Where it is in the record, or in the message around it. */
  readonly path: string;
  readonly values: string[];
  /** A route finds it without a setting. */
  readonly isUsual: boolean;
}

const named = ({ record, outer }: Split, key: string): unknown => own(record, key) ?? own(outer ?? {}, key);

/** The member that names the device of each record, other than `except`. */
export function deviceKey(split: readonly Split[], except?: string): DeviceKey | undefined {
  const [first] = split;
  if (first === undefined) return undefined;
  // Pairs are metrics of one record, distinguished by their names.
  const found =
    keyThatStays(split, first, except) ?? (except === undefined ? keyThatSeparates(split) : undefined);
  if (found === undefined) return except === undefined ? deeperDevice(split, first.record) : undefined;
  const isUsual = split.every((one) => {
    const usual = usualDevice(one.record, except) ?? (one.outer && usualDevice(one.outer, except));
    return usual === named(one, found);
  });
  return {
    path: pointerTo(found),
    values: [...new Set(split.map((one) => String(named(one, found))))],
    isUsual,
  };
}

/** Names of devices one level down (`Message.ID`): only where topics speak for more of them than there are topics. */
function deeperDevice(split: readonly Split[], first: Doc): DeviceKey | undefined {
  const topics = new Set(split.map(({ message }) => message.topic)).size;
  const paths = Object.entries(first).flatMap(([key, value]) =>
    isObject(value)
      ? Object.keys(value)
          .filter((inner) => DEVICE_NAMES.test(inner))
          .map((inner) => pointerTo(key) + pointerTo(inner))
      : [],
  );
  for (const path of paths) {
    const all = split.map(({ record }) => valueAt(record, path));
    const values = [...new Set(all.map(String))];
    const areNames = all.every((value) => typeof value === 'string' || Number.isSafeInteger(value));
    if (areNames && values.length > topics && values.length < all.length && !values.some(isQuantity))
      return { path, values, isUsual: false };
  }
  return undefined;
}

/** The first of the usual keys whose values recur, else one that names things though each was received once. */
function keyThatStays(split: readonly Split[], first: Split, except: string | undefined): string | undefined {
  const isName = (value: unknown): boolean =>
    (typeof value === 'string' && value !== '') || (typeof value === 'number' && Number.isSafeInteger(value));
  const everywhere = (key: string): boolean =>
    key !== except && split.every((one) => isName(named(one, key)));
  const valuesOf = (key: string): string[] => [...new Set(split.map((one) => String(named(one, key))))];
  const topics = new Set(split.map(({ message }) => message.topic)).size;
  const others = [...Object.keys(first.record), ...Object.keys(first.outer ?? {})].filter(
    (key) => DEVICE_NAMES.test(key) || (SENDER.test(key) && everywhere(key) && valuesOf(key).length > topics),
  );
  const isMeter = 'meter' in first.record && 'media' in first.record;
  const keys = [...(isMeter ? ['id'] : []), ...DEVICE_KEYS, ...others].filter(everywhere);
  const repeats = (key: string): boolean =>
    split.length < NUMBERED || (valuesOf(key).length < split.length && !countsMessages(split, key));
  const staying = keys.filter(repeats);
  const [usual] = staying;
  if (usual === undefined) return keys.find((one) => !numbersEvents(one, valuesOf(one)));
  return staying.find((key) => key !== usual && isPartOf(split, key, usual)) ?? usual;
}

/** Whether `key` names several parts of one `whole`, a gateway mostly: each comes back, and below the same whole. */
function isPartOf(split: readonly Split[], key: string, whole: string): boolean {
  const parts = [...groupedBy(split, (one) => String(named(one, key))).entries()];
  const wholes = new Set(split.map((one) => String(named(one, whole))));
  return (
    parts.length > wholes.size &&
    !parts.some(([name]) => isQuantity(name)) &&
    parts.every(
      ([, list]) => list.length > 1 && new Set(list.map((one) => String(named(one, whole)))).size === 1,
    )
  );
}

/** The original sender of a forwarded message: a device only if there are several. */
const SENDER = /^(?:from|sender|origin(?:ator)?|subject|slave(?:_?id)?)$/i;

/** Each device counts its own messages: the numbers come back, but under another topic only, and they rise in each. */
function countsMessages(split: readonly Split[], key: string): boolean {
  if (THING.test(key)) return false;
  const byTopic = groupedBy(split, ({ message }) => message.topic);
  const lists = [...byTopic.values()].map((list) =>
    list.map((one) => Number(/\d+$/.exec(String(named(one, key)))?.[0])),
  );
  const rises = (numbers: readonly number[]): boolean =>
    numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? NaN));
  return lists.some((numbers) => numbers.length > 2) && lists.every(rises);
}

/** Members that may distinguish the records of one message. */
const SEPARATES =
  /(?:id|name|addr(?:ess)?|index|idx|no|nr|number|port|slot|channel|ch|unit|node|type|tag|label|key)$/i;

/** Records of one message that would be one reading of other values: the member that keeps them apart, if there is one. */
function keyThatSeparates(split: readonly Split[]): string | undefined {
  const batches = [...groupedBy(split, ({ message }) => message).values()].filter(
    (batch) => batch.length > 1,
  );
  const [[first] = []] = batches;
  if (first === undefined) return undefined;
  const isTime = (key: string): boolean => TIME_NAMES.test(key);
  const timesOf = ({ record }: Split): unknown[] =>
    Object.keys(record)
      .filter(isTime)
      .map((key) => record[key]);
  // Records of other times are one device's, one after the other.
  const isOneTime = (batch: readonly Split[]): boolean =>
    new Set(batch.map((one) => JSON.stringify(timesOf(one).map(String)))).size < batch.length;
  if (!batches.some(isOneTime)) return undefined;
  return Object.keys(first.record).find((key) => {
    const values = (batch: readonly Split[]): Set<unknown> =>
      new Set(batch.map(({ record }) => own(record, key)));
    const isPlain = (value: unknown): boolean => typeof value === 'string' || Number.isSafeInteger(value);
    return (
      SEPARATES.test(key) &&
      !isTime(key) &&
      split.every(({ record }) => isPlain(own(record, key))) &&
      batches.every((batch) => values(batch).size === batch.length) &&
      (batches.length === 1 || values(split).size < split.length)
    );
  });
}

/** Keys that name a thing, although each value was received only once. */
const THING = /dev|sensor|mac|eui|serial|node|station|meter|unit/i;
/** A UUID, a long hash, a running number. */
const EVENT_ID = /^(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16,}|\d+)$/i;

/** Whether names of which none recurs belong to the messages themselves. */
function numbersEvents(key: string, names: readonly string[]): boolean {
  if (names.every((name) => EVENT_ID.test(name))) return !THING.test(key);
  return !THING.test(key) && names.some((name) => /\d/.test(name));
}
