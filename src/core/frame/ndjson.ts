import type { ColumnData, Frame } from './frame.ts';
import { isoTimes } from './iso-times.ts';

/**
 * A frame as lines of JSON, one object a row; nulls are left out. Times are ISO 8601 in UTC with microseconds, bytes are
 * hexadecimal, numbers that JSON does not have (NaN, infinities) are null.
 */
export function ndjsonOf(frame: Frame): string {
  const keys = frame.columns.map(({ name }) => `${JSON.stringify(name)}:`);
  const writers = frame.data.map((data, index) => writerOf(frame.columns[index]?.type === 'timestamp', data));
  let text = '';
  for (let row = 0; row < frame.rows; row++) {
    let line = '';
    for (let column = 0; column < writers.length; column++) {
      if (frame.data[column]?.nulls?.[row] === 1) continue;
      line += `${line === '' ? '{' : ','}${keys[column] ?? ''}${writers[column]?.(row) ?? 'null'}`;
    }
    text += line === '' ? '{}\n' : `${line}}\n`;
  }
  return text;
}

function writerOf(isTime: boolean, { values }: ColumnData): (row: number) => string {
  if (values instanceof BigInt64Array)
    return isTime ? quoted(isoTimes(values)) : (row) => (values[row] as bigint).toString();
  if (values instanceof Float64Array || values instanceof Int32Array)
    return (row) => (Number.isFinite(values[row]) ? String(values[row]) : 'null');
  return (row) => {
    const value = values[row];
    return value instanceof Uint8Array ? `"${hexOf(value)}"` : JSON.stringify(value);
  };
}

const quoted =
  (write: (row: number) => string): ((row: number) => string) =>
  (row) =>
    `"${write(row)}"`;

export const hexOf = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
};
