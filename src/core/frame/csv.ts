/** A name as a cell of CSV (RFC 4180). */
const cell = (name: string): string => (/[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

/** The first line of a file, with its end. */
export const csvHeader = (names: readonly string[]): string => `${names.map(cell).join(',')}\n`;
