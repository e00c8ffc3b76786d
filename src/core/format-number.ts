/** As many significant digits as a computed value has: what follows is the noise of binary fractions. */
export const toSignificant = (value: number, digits: number): number => Number(value.toPrecision(digits));

/** The value as the sensor sent it: nine significant digits. */
export const withoutNoise = (value: number): number => toSignificant(value, 9);

/** At most three digits after the point, none that are zero. */
export const formatNumber = (value: number): string =>
  Number.isFinite(value) ? String(Number(value.toFixed(3))) : String(value);
