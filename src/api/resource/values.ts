/** How values of the database are written in answers. */

export const iso = (time: Date): string => time.toISOString();

export const isoOrNull = (time: Date | null | undefined): string | null =>
  time === null || time === undefined || Number.isNaN(time.getTime()) ? null : time.toISOString();

export const isoOfMs = (ms: number | undefined): string | null =>
  ms === undefined ? null : new Date(ms).toISOString();

export const seconds = (ms: number | undefined): number | null => (ms === undefined ? null : ms / 1000);

/** NaN and infinities have no place in JSON. */
export const finite = (value: number | null): number | null =>
  value === null || !Number.isFinite(value) ? null : value;
