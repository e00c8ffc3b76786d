/** Conversions to the canonical units °C, hPa, % and V (D2). Nothing is clamped: 104.7 %RH is real. */
export type Convert = (value: number) => number;

const scale =
  (factor: number): Convert =>
  (value) =>
    value * factor;
const same: Convert = (value) => value;

const CONVERSIONS = {
  C: same,
  F: (value: number) => ((value - 32) * 5) / 9,
  K: (value: number) => value - 273.15,
  hPa: same,
  Pa: (value: number) => value / 100,
  kPa: scale(10),
  mbar: same,
  bar: scale(1000),
  mmHg: scale(1.333_223_874_15),
  inHg: scale(33.863_886_666_667),
  psi: scale(68.947_572_931_683),
  '%': same,
  '0..1': scale(100),
  V: same,
  mV: (value: number) => value / 1000,
  dBm: same,
} as const satisfies Record<string, Convert>;

export type Unit = keyof typeof CONVERSIONS;
export const UNITS = Object.keys(CONVERSIONS) as [Unit, ...Unit[]];

export function convertFrom(unit: Unit): Convert {
  return CONVERSIONS[unit];
}

export interface Linear {
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
}

/** The straight line through (from[0], to[0]) and (from[1], to[1]), not clamped at its ends. */
export function linearMap({ from, to }: Linear): Convert {
  const slope = (to[1] - to[0]) / (from[1] - from[0]);
  return (value) => to[0] + (value - from[0]) * slope;
}
