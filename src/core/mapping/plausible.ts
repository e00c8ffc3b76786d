import { CORE_METRICS } from '../reading.ts';
import type { Field } from './field.ts';

/**
 * Beyond this no column of `sensor_readings` holds a measurement. The bound protects all sensors: two values near the
 * largest double in one hour overflow the sum of the hourly aggregate, and its refresh then fails for every sensor.
 */
const MOST = 1e9;
const INT4_MAX = 2_147_483_647;

/** Columns that are integers: their values are rounded as they are stored, and bounded by the type. */
const INTEGERS: ReadonlySet<string> = new Set(['rssi']);

/** What a canonical metric is stored as; undefined: it is not believable, and the metric is dropped and counted. */
export type Plausible = (name: string, value: number) => number | undefined;

/** A route that states `min` or `max` of a canonical metric has its own bounds; an integer column keeps its type's. */
export function plausibility(fields: readonly Field[]): Plausible {
  const bounded = new Set(
    fields.filter(({ min, max }) => min !== undefined || max !== undefined).map(({ name }) => name),
  );
  return (name, value) => {
    if (INTEGERS.has(name)) {
      // Adding zero turns -0 into 0 (D4).
      const rounded = Math.round(value) + 0;
      return Math.abs(rounded) > INT4_MAX || (!bounded.has(name) && Math.abs(rounded) > MOST)
        ? undefined
        : rounded;
    }
    return bounded.has(name) || Math.abs(value) <= MOST ? value : undefined;
  };
}

/** Applies it to what was gathered of one record; `drop` counts what is not believable. */
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
