import { parseTime } from '../core/ingest/mapping/instant.ts';
import { UTC, parseZone } from '../core/ingest/mapping/zone.ts';

export interface LocalTime {
  readonly text: string;
  readonly receivedAtMs: number;
}

export interface FoundZone {
  /** An IANA name, or an offset such as +02:00. */
  readonly timezone: string;
  readonly isName: boolean;
}

const QUARTER_MS = 15 * 60_000;
/** From UTC-12 to UTC+14. */
const FURTHEST_MS = 14 * 3_600_000;
const AGREEMENT = 0.8;

/**
 * In which zone clocks run that send no offset: the difference to the arrival, in quarters of an hour, if most messages
 * agree. Undefined: UTC, or there is no telling. `here` is the zone of this machine, preferred where it fits.
 */
export function zoneOf(times: readonly LocalTime[], here: string | undefined): FoundZone | undefined {
  const walls = times.flatMap(({ text, receivedAtMs }) => {
    const timeUs = parseTime(text, 'iso', UTC);
    const wallMs = timeUs === undefined ? NaN : timeUs / 1000;
    return Math.abs(wallMs - receivedAtMs) <= FURTHEST_MS + QUARTER_MS ? [{ wallMs, receivedAtMs }] : [];
  });
  const quarters = walls.map(({ wallMs, receivedAtMs }) => Math.round((wallMs - receivedAtMs) / QUARTER_MS));
  const [usual] = [...new Set(quarters)].sort((a, b) => count(quarters, b) - count(quarters, a));
  if (usual === undefined || usual === 0 || count(quarters, usual) < quarters.length * AGREEMENT)
    return undefined;
  const zone = here === undefined ? undefined : parseZone(here);
  const fits =
    zone !== undefined &&
    walls.every(({ wallMs, receivedAtMs }) => Math.abs(zone.toUtcMs(wallMs) - receivedAtMs) < QUARTER_MS);
  return fits && here !== undefined
    ? { timezone: here, isName: true }
    : { timezone: offset(usual), isName: false };
}

const count = (values: readonly number[], wanted: number): number =>
  values.filter((value) => value === wanted).length;

function offset(quarters: number): string {
  const minutes = Math.abs(quarters) * 15;
  const two = (value: number) => String(value).padStart(2, '0');
  return `${quarters < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
