/** At most three digits after the point, none that are zero. */
export const formatNumber = (value: number): string =>
  Number.isFinite(value) ? String(Number(value.toFixed(3))) : String(value);
