import { aliasOf } from './alias.ts';
import { type Doc, isObject, own } from './document.ts';
import { isNumericText } from './value.ts';

/** Words that make a name the name of a quantity, in addition to the well-known metrics. */
const WORDS = new Set(
  (
    'temperature temp humidity hum moisture pressure co co2 eco2 voc tvoc nox no2 so2 o3 ozone pm pm1 pm25 pm10 aqi ' +
    'illuminance illumination lux light brightness irradiance radiation uv luminance noise sound ' +
    'voltage volt volts current amperage power energy consumption production yield soc load demand frequency ' +
    'flow volume level distance height depth position angle tilt weight mass force torque strain ' +
    'speed rpm velocity acceleration vibration wind gust direction rain rainfall precipitation dew dewpoint ' +
    'battery rssi lqi linkquality snr uptime counter count total ph ec tds conductivity turbidity orp salinity ' +
    'setpoint target latitude longitude altitude min max avg average mean raw today'
  ).split(' '),
);

/** `flow-meter-2` is a thing, whatever it measures. */
const THINGS = /sensor|meter|plug|node|dev|switch|station|probe|pump|box|controller|module/i;

/** True for a name that names a quantity. */
export function isQuantity(name: string): boolean {
  if (aliasOf(name) !== undefined) return true;
  if (THINGS.test(name)) return false;
  return name
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .some((word) => WORDS.has(word));
}

const VALUE_KEYS = ['value', 'val', 'v'];
/** Keys that describe a value next to it: when it changed, whether it is good, between what it lies. */
const DESCRIPTIVE =
  /^(?:lc|ack|min|max|q|qc|quality|status|from|expire|unit|uom|name|node_?id|endpoint|property(?:_?key)?|seq(?:uence)?(?:_?n(?:o|umber|r))?)$/i;

/** The key of the only value in a document whose other members describe it; undefined: it holds more, or none. */
export function singleValueKey(document: Doc, isTime: (key: string) => boolean): string | undefined {
  const keys = Object.keys(document);
  const key = VALUE_KEYS.map((wanted) => keys.find((one) => one.toLowerCase() === wanted)).find(
    (one) => one !== undefined,
  );
  if (key === undefined || !isPlainValue(own(document, key))) return undefined;
  const isDescriptive = (other: string): boolean => {
    const value = own(document, other);
    const holdsNumbers = typeof value === 'number' || typeof value === 'bigint' || isObject(value);
    return !holdsNumbers || Array.isArray(value) || isTime(other) || DESCRIPTIVE.test(other);
  };
  return keys.every((other) => other === key || isDescriptive(other)) ? key : undefined;
}

const isPlainValue = (value: unknown): boolean =>
  value === null ||
  typeof value === 'number' ||
  typeof value === 'boolean' ||
  (typeof value === 'string' && isNumericText(value.trim()));
