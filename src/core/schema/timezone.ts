import { text } from './fields.ts';

export const timezone = (description: string) =>
  text(description).refine(isTimezone, {
    error: 'is no time zone; expected an IANA name such as Europe/Berlin',
  });

function isTimezone(name: string): boolean {
  // Asking ICU costs more than the rest of the file.
  if (name === 'UTC') return true;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
