import { parseDuration } from './duration.ts';
import type { Millis } from './reading.ts';

/** A moment: a time (`2026-01-31`, `2026-01-31T12:00Z`) or how long ago (`24h`). */
export type Moment = (nowMs: Millis) => Date;

// Without a zone a time of day would mean something else on every machine: it is read as UTC.
const TIME = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/** Undefined for what is no moment. */
export function parseMoment(value: string): Moment | undefined {
  const ago = parseDuration(value);
  if (ago !== undefined) return (nowMs) => new Date(nowMs - ago);
  const text = value.trim();
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const zoned = text.length > 10 && match[1] === undefined ? `${text}Z` : text;
  const time = new Date(zoned.replace(' ', 'T'));
  return Number.isNaN(time.getTime()) ? undefined : () => time;
}
