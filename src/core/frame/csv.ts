import type { ColumnData, Frame } from './frame.ts';
import { isoTimes } from './iso-times.ts';
import { hexOf } from './ndjson.ts';

/** A text as a cell of CSV (RFC 4180). */
const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** The first line of a file, with its end. */
export const csvHeader = (names: readonly string[]): string => `${names.map(cell).join(',')}\n`;

/** A text that a spreadsheet would compute is kept from being a formula. */
const inert = (text: string): string =>
  /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;

/** The header of a file that is opened in a spreadsheet. */
export const inertCsvHeader = (names: readonly string[]): string => csvHeader(names.map(inert));

/**
 * A frame as lines of CSV for a spreadsheet: times are ISO 8601 in UTC, a null is an empty cell, bytes are hexadecimal, and no text is
 * a formula.
 */
export function inertCsvOf({ columns, data, rows }: Frame): string {
  const writers = data.map((each, index) => writerOf(columns[index]?.type === 'timestamp', each));
  let text = '';
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < writers.length; column++) {
      if (column > 0) text += ',';
      if (data[column]?.nulls?.[row] !== 1) text += writers[column]?.(row) ?? '';
    }
    text += '\n';
  }
  return text;
}

function writerOf(isTime: boolean, { values }: ColumnData): (row: number) => string {
  if (values instanceof BigInt64Array && isTime) return isoTimes(values);
  return (row) => {
    const value = values[row];
    if (value === null || value === undefined) return '';
    if (value instanceof Uint8Array) return hexOf(value);
    return typeof value === 'string' ? cell(inert(value)) : String(value);
  };
}
