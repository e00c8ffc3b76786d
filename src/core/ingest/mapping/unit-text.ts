import type { Unit } from './unit.ts';

/** A unit as senders write it, and its quantity. */
export interface NamedUnit {
  readonly unit: Unit;
  readonly quantity: 'temperature' | 'pressure';
}

/** Firmware for another language names units in it (Tasmota: Russian, Bulgarian, Ukrainian, Chinese). */
const TEXTS: readonly (readonly [RegExp, Unit, NamedUnit['quantity']])[] = [
  [/^(?:°? ?c|deg_?c|(?:degrees? )?celsius|cel)$/i, 'C', 'temperature'],
  [/^(?:°? ?f|deg_?f|(?:degrees? )?fahrenheit)$/i, 'F', 'temperature'],
  [/^(?:k|kelvin)$/i, 'K', 'temperature'],
  [/^(?:hpa|mbar|гпа|百帕)$/i, 'hPa', 'pressure'],
  [/^bar$/i, 'bar', 'pressure'],
  [/^kpa$/i, 'kPa', 'pressure'],
  [/^pa$/i, 'Pa', 'pressure'],
  [/^inhg$/i, 'inHg', 'pressure'],
  [/^(?:mmhg|мм ?рт\.? ?ст\.?|毫米汞柱)$/i, 'mmHg', 'pressure'],
  [/^psi$/i, 'psi', 'pressure'],
];

/** The unit that a text names; undefined if unknown. */
export function namedUnit(text: unknown): NamedUnit | undefined {
  if (typeof text !== 'string') return undefined;
  const [, unit, quantity] = TEXTS.find(([pattern]) => pattern.test(text.trim())) ?? [];
  return unit === undefined || quantity === undefined ? undefined : { unit, quantity };
}
