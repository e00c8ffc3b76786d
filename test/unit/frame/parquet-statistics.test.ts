import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { type DecodedArray, type SchemaElement, parquetMetadata, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { createParquetWriter } from '../../../src/adapters/frame/parquet-writer.ts';
import type { ColumnData, ColumnType } from '../../../src/core/frame/frame.ts';

const doubles = (...values: (number | null)[]): ColumnData => ({
  values: Float64Array.from(values, (value) => value ?? 7e300),
  nulls: values.includes(null) ? Uint8Array.from(values, (value) => (value === null ? 1 : 0)) : undefined,
});
const ints = (...values: (number | null)[]): ColumnData => ({
  values: Int32Array.from(values, (value) => value ?? 2 ** 31 - 1),
  nulls: values.includes(null) ? Uint8Array.from(values, (value) => (value === null ? 1 : 0)) : undefined,
});
const longs = (...values: (bigint | null)[]): ColumnData => ({
  values: BigInt64Array.from(values, (value) => value ?? 0n),
  nulls: values.includes(null) ? Uint8Array.from(values, (value) => (value === null ? 1 : 0)) : undefined,
});
const texts = (...values: (string | null)[]): ColumnData => ({
  values,
  nulls: values.includes(null) ? Uint8Array.from(values, (value) => (value === null ? 1 : 0)) : undefined,
});

const MOST_EXACT = 9_007_199_254_740_991n;
const CASES: [what: string, type: ColumnType, data: ColumnData][] = [
  ['doubles', 'double', doubles(1.5, -2.5, 1e-310, 1e308)],
  ['doubles with nulls and NaN', 'double', doubles(null, NaN, -3, null, 2)],
  ['zeros of both signs', 'double', doubles(0, -0)],
  ['one zero', 'double', doubles(0)],
  ['infinities', 'double', doubles(-Infinity, Infinity, 0)],
  ['NaN only', 'double', doubles(NaN, NaN)],
  ['nulls only', 'double', doubles(null, null)],
  ['integers', 'int32', ints(-70, 0, 2 ** 31 - 1, -(2 ** 31))],
  ['integers with nulls', 'int32', ints(null, -70, -80)],
  ['integers, all null', 'int32', ints(null)],
  ['counts', 'int64', longs(0n, -1n, MOST_EXACT)],
  ['counts that no number holds', 'int64', longs(MOST_EXACT + 2n, -MOST_EXACT - 2n)],
  ['counts with nulls', 'int64', longs(null, 5n)],
  ['times', 'timestamp', longs(1_767_225_600_000_001n, 1_767_225_600_123_456n, 0n)],
  ['times before 1970', 'timestamp', longs(-1n, 1_767_225_600_000_001n)],
  ['times whose bits as a double are NaN', 'timestamp', longs(0x7ff0_0000_0000_0001n, -(2n ** 51n))],
  ['times with nulls', 'timestamp', longs(null, 1_767_225_600_000_001n)],
  ['texts', 'text', texts('b', 'a', 'ä', '')],
  ['texts whose order differs in UTF-16', 'text', texts('\u{1F321}', '\uE000', '\u{1F321}')],
  ['texts with nulls', 'text', texts(null, 'x', null)],
  ['texts, all null', 'text', texts(null, null)],
  ['truths', 'boolean', { values: [true, null, false], nulls: Uint8Array.of(0, 1, 0) }],
  ['bytes', 'binary', { values: [Uint8Array.of(0, 255), Uint8Array.of(1)], nulls: undefined }],
];

const ELEMENTS: Readonly<Record<ColumnType, Partial<SchemaElement>>> = {
  double: { type: 'DOUBLE' },
  int32: { type: 'INT32' },
  int64: { type: 'INT64' },
  boolean: { type: 'BOOLEAN' },
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  binary: { type: 'BYTE_ARRAY' },
  timestamp: {
    type: 'INT64',
    converted_type: 'TIMESTAMP_MICROS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
  },
};

/** The values with their nulls, as the library takes them. */
const listOf = ({ values, nulls }: ColumnData): unknown[] =>
  Array.from(values as ArrayLike<unknown>, (value, row) => (nulls?.[row] === 1 ? null : value));

const contentOf = async (file: ArrayBuffer) => {
  const { type, statistics, num_values } = parquetMetadata(file).row_groups[0]?.columns[0]?.meta_data ?? {};
  const parsers = { timestampFromMicroseconds: (us: bigint) => us };
  const rows = await parquetReadObjects({ file, compressors, utf8: false, parsers });
  // A bound may be a time that no Date holds.
  return { type, statistics: inspect(statistics), num_values, values: rows.map((row) => row['c']) };
};

describe('type, values and statistics are those that the library makes of plain values', () => {
  test.each(CASES)('%s', async (_, type, data) => {
    const chunks: Uint8Array[] = [];
    const columns = [{ name: 'c', type }];
    const writer = createParquetWriter(columns, async (bytes) => void chunks.push(bytes.slice()), {
      createdBy: 'test',
    });
    await writer.write({ columns, rows: data.values.length, data: [data] });
    await writer.finish();
    const { buffer } = Uint8Array.from(Buffer.concat(chunks));
    const plain = parquetWriteBuffer({
      columnData: [{ name: 'c', data: listOf(data) as DecodedArray }],
      schema: [
        { name: 'root', num_children: 1 },
        { name: 'c', repetition_type: 'OPTIONAL', ...ELEMENTS[type] },
      ],
    });
    expect(await contentOf(buffer)).toEqual(await contentOf(plain));
  });
});
