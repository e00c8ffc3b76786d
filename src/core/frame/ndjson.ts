import type { ColumnData, Frame } from './frame.ts';

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
    return isTime ? timeWriter(values) : (row) => (values[row] as bigint).toString();
  if (values instanceof Float64Array || values instanceof Int32Array)
    return (row) => (Number.isFinite(values[row]) ? String(values[row]) : 'null');
  return (row) => {
    const value = values[row];
    return value instanceof Uint8Array ? `"${hexOf(value)}"` : JSON.stringify(value);
  };
}

const SECOND_US = 1_000_000;

/** Times of neighbouring rows mostly share their second. */
function timeWriter(values: BigInt64Array): (row: number) => string {
  let second = NaN;
  let prefix = '';
  return (row) => {
    const us = Number(values[row]);
    const own = Math.floor(us / SECOND_US);
    if (own !== second) {
      second = own;
      prefix = `"${new Date(own * 1000).toISOString().slice(0, 19)}.`;
    }
    return `${prefix}${String(us - own * SECOND_US).padStart(6, '0')}Z"`;
  };
}

export const hexOf = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
};
