import { words } from './words.ts';

/** Metrics that have a unit by definition, where the answer names none. */
const METRIC_UNITS = words<string>({
  temperature: '°C',
  humidity: '%RH',
  pressure: 'hPa',
  battery: '%',
  rssi: 'dBm',
});

/** Digits after the point that are worth showing. */
const DIGITS = words<number>({
  '°C': 1,
  '°F': 1,
  K: 1,
  '%RH': 1,
  '%': 0,
  hPa: 1,
  dBm: 0,
  dB: 1,
  ppm: 0,
  ppb: 0,
  lx: 0,
  V: 2,
  A: 2,
  W: 1,
  kWh: 2,
  s: 1,
});

export const metricUnit = (metric?: string, unit?: string | null): string =>
  unit ?? METRIC_UNITS.get(metric ?? '') ?? '';

export const unitDigits = (unit: string): number | undefined => DIGITS.get(unit);

/** Meanings of units that are not self-evident. */
const MEANING = words<string>({
  '%RH': 'relative humidity',
  dBm: 'signal strength: −50 is strong, −90 is weak',
  hPa: 'air pressure, hectopascal (the same as millibar)',
  ppm: 'parts per million',
  ppb: 'parts per billion',
  lx: 'lux',
});

export const unitMeaning = (unit: string): string | undefined => MEANING.get(unit);

/** `temperature` -> `Temperature`, `co2_ppm` -> `Co2 ppm`; names that are not words stay as they are. */
const NAMES = words<string>({
  rssi: 'Signal',
  co2: 'CO₂',
  voc: 'VOC',
  pm25: 'PM2.5',
  pm10: 'PM10',
});

export function metricName(metric: string): string {
  const known = NAMES.get(metric);
  if (known !== undefined) return known;
  const words = metric.replaceAll('_', ' ').trim();
  return words === '' ? metric : words[0]!.toUpperCase() + words.slice(1);
}
