import { hint } from './did-you-mean.ts';
import type { Millis } from './reading.ts';

/** Whether the platform knows this time zone: its IANA name (`Europe/Berlin`, `UTC`), and from Node.js 22 on an offset (`+02:00`). */
export function isZone(name: string): boolean {
  // Loading ICU takes longer than the rest of a configuration file.
  if (name === 'UTC') return true;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Whether it is a name of a zone and no offset, whose sign PostgreSQL reads the other way round. */
export const isNamedZone = (name: string): boolean => /^[A-Za-z]/.test(name) && isZone(name);

/** Message for an unknown name of a zone, with the one that was probably meant. */
export const unknownZone = (name: string): string =>
  `${JSON.stringify(name)} is no time zone; expected a name such as Europe/Berlin${hint(name, Intl.supportedValuesOf('timeZone'))}`;

/** Whether the offset of a zone from UTC is whole hours at this time. */
export function hasWholeHours(zone: string, atMs: Millis): boolean {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, minute: 'numeric' });
  return (
    Number(format.formatToParts(atMs).find(({ type }) => type === 'minute')?.value) ===
    new Date(atMs).getUTCMinutes()
  );
}
