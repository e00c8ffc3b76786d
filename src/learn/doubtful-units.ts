import { toSignificant } from '../core/format-number.ts';
import { presetNamed } from '../core/ingest/preset/index.ts';
import type { RouteConfig } from '../core/ingest/route-config.ts';
import { groupedBy } from '../core/grouped.ts';
import type { Series } from './series.ts';

type Devices = ReadonlyMap<string, ReadonlyMap<string, Series>>;
type Quantity = 'temperature' | 'pressure';

/** Readings of a barometer between the sea and 3,000 m in other units than hPa. */
const AIR = [
  { unit: 'Pa', from: 60_000, to: 115_000 },
  { unit: 'mmHg', from: 650, to: 800 },
  { unit: 'kPa', from: 60, to: 115 },
  { unit: 'inHg', from: 24, to: 33 },
  { unit: 'psi', from: 11, to: 16.5 },
  { unit: 'bar', from: 0.7, to: 1.15 },
] as const;
const LEAST_HPA = 300;
const MOST_HPA = 1100;
/** No air on Earth was as warm in °C; in °F it often is. */
const HOTTEST_AIR_C = 57;
const HOTTEST_AIR_F = 135;
/** -50 to 60 °C. */
const KELVIN = { from: 223, to: 333 };
const MANY = 3;

const isWithin = ({ min, max }: Series, { from, to }: { from: number; to: number }): boolean =>
  min >= from && max <= to;

/** A device that measures humidity measures the air. */
const isOfAir = (metrics: ReadonlyMap<string, Series>): boolean => metrics.has('humidity');

/** True if values in °C would be those of an oven, and humidity shows that it is air. */
export function isKelvin(devices: Devices): boolean {
  const measuring = [...devices.values()].filter((metrics) => metrics.has('temperature'));
  return (
    measuring.some(isOfAir) &&
    measuring.every((metrics) => isWithin(metrics.get('temperature') as Series, KELVIN))
  );
}

/** Unit that a metric of one device may have instead of °C or hPa; undefined: nothing speaks against them. */
function doubtOf(quantity: Quantity, metrics: ReadonlyMap<string, Series>): string | undefined {
  const series = metrics.get(quantity);
  if (series === undefined) return undefined;
  if (quantity === 'temperature') {
    if (isWithin(series, KELVIN)) return unitText('looks like K', quantity, ['K']);
    const isHot = isOfAir(metrics) && series.max > HOTTEST_AIR_C && series.max <= HOTTEST_AIR_F;
    return isHot ? unitText('next to a humidity looks like °F', quantity, ['F']) : undefined;
  }
  const units = AIR.filter((range) => isWithin(series, range)).map(({ unit }) => unit);
  if (series.min >= LEAST_HPA && series.max <= MOST_HPA)
    return units.length === 0 ? undefined : unitText('is mmHg, or hPa above 2,000 m', quantity, units);
  return units.length === 0
    ? 'is no air pressure in hPa: state its unit in fields, or give it another name (metric_map)'
    : unitText(`is no air pressure in hPa, and looks like ${units.join(' or ')}`, quantity, units);
}

const unitText = (said: string, quantity: Quantity, [unit]: readonly string[]): string =>
  `${said}: if it is, write fields: { ${quantity}: { unit: ${unit} } }`;

/** Values that are hardly in the unit that they would be stored in; nothing is converted for it. */
export function unitDoubts({ preset, fields = {} }: RouteConfig, devices: Devices): string[] {
  if (presetNamed(preset ?? '')?.statesUnits === true) return [];
  return (['pressure', 'temperature'] as const).flatMap((quantity) => {
    if (fields[quantity]?.unit !== undefined) return [];
    const measuring = [...devices].filter(([, metrics]) => metrics.has(quantity));
    const byDoubt = groupedBy(measuring, ([, metrics]) => doubtOf(quantity, metrics));
    return [...byDoubt].flatMap(([doubt, of]) => {
      if (doubt === undefined) return [];
      const series = of.map(([, metrics]) => metrics.get(quantity) as Series);
      const range = rangeText(series);
      const names = of.slice(0, MANY).map(([device]) => device);
      const more = of.length > MANY ? ` and ${of.length - MANY} more` : '';
      const whose = of.length === measuring.length ? '' : ` of ${names.join(', ')}${more}`;
      return [`${quantity} ${range}${whose} ${doubt}`];
    });
  });
}

function rangeText(series: readonly Series[]): string {
  const min = series.reduce((least, one) => Math.min(least, one.min), Infinity);
  const max = series.reduce((most, one) => Math.max(most, one.max), -Infinity);
  const text = (value: number): string => String(toSignificant(value, 6));
  return min === max ? text(min) : `${text(min)}…${text(max)}`;
}
