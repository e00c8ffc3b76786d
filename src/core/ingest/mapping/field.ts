import type { Pointer } from './document.ts';
import type { Convert } from './unit.ts';
import { mappedNumber } from './value.ts';

/** A metric that the route describes: its location, unit and plausible range. */
export interface Field {
  readonly name: string;
  /** Undefined: wherever the metric of that name is found. */
  readonly path: Pointer | undefined;
  /** From the declared unit or the straight line; undefined: as it is. */
  readonly convert: Convert | undefined;
  /** Outside of them the metric is dropped and counted, never clamped. Canonical unit. */
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/** The field's value in its canonical unit, or undefined if it has none or is out of bounds. */
export function fieldNumber(field: Field, raw: unknown): number | undefined {
  const value = mappedNumber(raw);
  if (value === undefined) return undefined;
  const converted = field.convert === undefined ? value : field.convert(value) + 0;
  return withinBounds(field, converted) ? converted : undefined;
}

export function withinBounds(field: Field, value: number): boolean {
  return (
    Number.isFinite(value) &&
    (field.min === undefined || value >= field.min) &&
    (field.max === undefined || value <= field.max)
  );
}
