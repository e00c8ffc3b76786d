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

/** What a canonical metric is stored as; undefined: it is not believable, and the metric is dropped and counted. */
export type Plausible = (name: string, value: number) => number | undefined;

/**
 * A route that states `min` or `max` of a canonical metric has a bound of its own on that side; an integer column
 * keeps its type's. Fields that share a name share the wider bound, since each has already dropped what is outside
 * its own.
 */
export function plausibility(fields: readonly Field[]): Plausible {
  const bounds = new Map<string, { least: number; most: number }>();
  for (const field of fields) {
    const { name } = field;
    const { min = -openEnd(field), max = openEnd(field) } = field;
    const { least, most } = bounds.get(name) ?? { least: Infinity, most: -Infinity };
    bounds.set(name, { least: Math.min(least, min), most: Math.max(most, max) });
  }
  return (name, value) => {
    const isInteger = INTEGERS.has(name);
    // Adding zero turns -0 into 0 (D4).
    const stored = isInteger ? Math.round(value) + 0 : value;
    const { least, most } = bounds.get(name) ?? { least: -MOST, most: MOST };
    const limit = isInteger ? INT4_MAX : MOST_OF_A_ROUTE;
    return stored >= Math.max(least, -limit) && stored <= Math.min(most, limit) ? stored : undefined;
  };
}

/** The bound of a side that states none: a range that starts at 2e9 has no end at 1e9. */
const openEnd = ({ min = 0, max = 0 }: Field): number =>
  Math.max(Math.abs(min), Math.abs(max)) > MOST ? MOST_OF_A_ROUTE : MOST;

/** Applies it to the metrics of one record; `drop` counts implausible ones. */
export function keepPlausible(
  metrics: Map<string, number>,
  plausible: Plausible,
  drop: (name: string) => void,
): void {
  for (const name of CORE_METRICS) {
    const value = metrics.get(name);
    if (value === undefined) continue;
    const kept = plausible(name, value);
    if (kept === value) continue;
    if (kept !== undefined) {
      metrics.set(name, kept);
      continue;
    }
    metrics.delete(name);
    drop(name);
  }
}
