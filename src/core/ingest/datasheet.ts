/** Measuring range of a part by its datasheet, in canonical units: beyond it the part is faulty, or not connected. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
}

export type Ranges = Readonly<Record<string, Range>>;

/** Nothing that either part can measure lies outside. */
export function joined(one: Range | undefined, other: Range | undefined): Range | undefined {
  if (one === undefined || other === undefined) return undefined;
  const min = one.min === undefined || other.min === undefined ? undefined : Math.min(one.min, other.min);
  const max = one.max === undefined || other.max === undefined ? undefined : Math.max(one.max, other.max);
  return { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
}

const humidity: Range = { min: 0, max: 100 };
const bosch: Ranges = { temperature: { min: -40, max: 85 }, humidity, pressure: { min: 300, max: 1100 } };
/** Humidity sensors whose formula exceeds 100 % in condensation have no limit for it. */
const wide: Ranges = { temperature: { min: -40, max: 125 } };

/** Operating ranges of parts that payloads name (Bosch, Sensirion, Maxim, Aosong, TI, Silicon Labs). */
const PARTS: ReadonlyMap<string, Ranges> = new Map([
  ['DS18B20', { temperature: { min: -55, max: 125 } }],
  ['DS18S20', { temperature: { min: -55, max: 125 } }],
  ['LM75AD', { temperature: { min: -55, max: 125 } }],
  ['AM2301', { temperature: { min: -40, max: 80 }, humidity }],
  ['BMP180', bosch],
  ['BMP280', bosch],
  ['BME280', bosch],
  ['BME680', bosch],
  ['SI7021', wide],
  ['HTU21', wide],
  ['SHT3X', { ...wide, humidity }],
  ['SHT4X', wide],
]);

/** By its name, also where an index or an address follows: `DS18B20-2`, `SHT3X-0x44`. */
export const rangesOfPart = (name: string): Ranges | undefined =>
  PARTS.get(name.replace(/[-_](?:\d{1,2}|0x[\dA-F]{2})$/i, '').toUpperCase());
