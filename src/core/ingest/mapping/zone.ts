/** Offsets of IANA time zones, from the platform's own database. */
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
// Offsets change at whole quarters of an hour only (since 1972 everywhere), so one entry serves 15 minutes.
const STEP_MS = 15 * MINUTE_MS;
const MAX_CACHED_OFFSETS = 4096;

export interface Zone {
  readonly name: string;
  /** UTC milliseconds of a wall clock reading, given as if it were UTC. */
  toUtcMs(wallMs: number): number;
}

export const UTC: Zone = { name: 'UTC', toUtcMs: (wallMs) => wallMs };

/** An IANA name (`Europe/Berlin`), `UTC`, or a fixed offset (`+02:00`); undefined for anything else. */
export function parseZone(name: string): Zone | undefined {
  if (/^(?:utc|gmt|z|etc\/utc)$/i.test(name)) return UTC;
  const fixed = /^([+-])(\d{2}):?(\d{2})$/.exec(name);
  if (fixed !== null) return fixedZone(name, fixed);
  try {
    return ianaZone(name);
  } catch {
    // Intl throws RangeError at a name that it does not know.
    return undefined;
  }
}

function fixedZone(name: string, [, sign, hours, minutes]: RegExpExecArray): Zone | undefined {
  if (Number(hours) > 18 || Number(minutes) > 59) return undefined;
  const offsetMs = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * MINUTE_MS;
  return { name, toUtcMs: (wallMs) => wallMs - offsetMs };
}

function ianaZone(name: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const cache = new Map<number, number>();
  const offsetAt = (utcMs: number): number => {
    const step = Math.floor(utcMs / STEP_MS);
    let offset = cache.get(step);
    if (offset === undefined) {
      offset = wallClock(format, step * STEP_MS) - step * STEP_MS;
      if (cache.size >= MAX_CACHED_OFFSETS) cache.clear();
      cache.set(step, offset);
    }
    return offset;
  };
  return { name, toUtcMs: (wallMs) => compatible(wallMs, offsetAt) };
}

/** Local time of the zone at `utcMs`, as if it were UTC. */
function wallClock(format: Intl.DateTimeFormat, utcMs: number): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(utcMs)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/**
 * Temporal's disambiguation "compatible" (D6): of two instants the earlier, and in a gap the offset from before it,
 * which moves the clock forward by the length of the gap.
 */
function compatible(wallMs: number, offsetAt: (utcMs: number) => number): number {
  const before = offsetAt(wallMs - DAY_MS);
  const after = offsetAt(wallMs + DAY_MS);
  if (before === after) return wallMs - before;
  const possible = [wallMs - before, wallMs - after].filter((utcMs) => utcMs + offsetAt(utcMs) === wallMs);
  return possible.length === 0 ? wallMs - before : Math.min(...possible);
}
