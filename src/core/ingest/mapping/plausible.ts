import type { MetricValues } from '../../metric-values.ts';
import { CORE_METRICS } from '../../reading.ts';
import type { Field } from './field.ts';

/**
 * Beyond this no column of `sensor_readings` holds a measurement. The bound protects all sensors: two values near the
 * largest double in one hour overflow the sum of the hourly aggregate, and its refresh then fails for every sensor.
 */
const MOST = 1e9;
/** Whatever a route states: the sum of as many rows as a database can hold does not overflow. */
const MOST_OF_A_ROUTE = 1e100;
const INT4_MAX = 2_147_483_647;

/** Columns that are integers: their values are rounded as they are stored, and bounded by the type. */
const INTEGERS: ReadonlySet<string> = new Set(['rssi']);

/** A column of `sensor_readings`, with the values that it takes. */
interface Column {
  readonly name: string;
  readonly isInteger: boolean;
  readonly least: number;
  readonly most: number;
}

/** Bounds of each canonical metric, in the order of `CORE_METRICS`. */
export type Plausible = readonly Column[];

/**
 * A route that states `min` or `max` of a canonical metric has a bound of its own on that side; an integer column
 * keeps its type's. Fields that share a name share the wider bound, since each has already dropped what is outside
 * its own.
 */
export function plausibility(fields: readonly Field[]): Plausible {
  return CORE_METRICS.map((name) => {
    const own = fields.filter((field) => field.name === name);
    const isInteger = INTEGERS.has(name);
    const limit = isInteger ? INT4_MAX : MOST_OF_A_ROUTE;
    const least = own.length === 0 ? -MOST : Math.min(...own.map((field) => field.min ?? -openEnd(field)));
    const most = own.length === 0 ? MOST : Math.max(...own.map((field) => field.max ?? openEnd(field)));
    return { name, isInteger, least: Math.max(least, -limit), most: Math.min(most, limit) };
  });
}

/** The bound of a side that states none: a range that starts at 2e9 has no end at 1e9. */
const openEnd = ({ min = 0, max = 0 }: Field): number =>
  Math.max(Math.abs(min), Math.abs(max)) > MOST ? MOST_OF_A_ROUTE : MOST;

/** Rounds what is stored as an integer, and takes out what no column holds: the names of that, if there is any. */
export function keepPlausible(metrics: MetricValues, plausible: Plausible): readonly string[] | undefined {
  const { core } = metrics.names;
  let dropped: string[] | undefined;
  for (let column = 0; column < core.length; column++) {
    const place = core[column] as number;
    if (place < 0) continue;
    const { name, isInteger, least, most } = plausible[column] as Column;
    const value = metrics.at(place);
    // Adding zero turns -0 into 0 (D4).
    const stored = isInteger ? Math.round(value) + 0 : value;
    if (!(stored >= least && stored <= most)) (dropped ??= []).push(name);
    else if (stored !== value) metrics.set(name, stored);
  }
  for (const name of dropped ?? []) metrics.delete(name);
  return dropped;
}
