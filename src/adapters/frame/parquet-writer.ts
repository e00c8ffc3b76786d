import * as zlib from 'node:zlib';
import type { DecodedArray, SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { snappyCompressor } from 'hysnappy';
import { FieldwatchError } from '../../core/errors.ts';
import type { ColumnData, ColumnType, Frame, FrameColumn } from '../../core/frame/frame.ts';
import type { FrameWriter, WriteBytes } from '../../ports/frame.ts';

export type ParquetCompression = 'snappy' | 'zstd';

/** Node has it from 22.15 on. */
const zstdCompress = (zlib as { readonly zstdCompressSync?: (bytes: Uint8Array) => Uint8Array })
  .zstdCompressSync;

const PHYSICAL: Readonly<Record<ColumnType, Partial<SchemaElement>>> = {
  timestamp: { type: 'INT64' },
  int64: { type: 'INT64' },
  double: { type: 'DOUBLE' },
  int32: { type: 'INT32' },
  boolean: { type: 'BOOLEAN' },
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  binary: { type: 'BYTE_ARRAY' },
};
const TIMESTAMP: Partial<SchemaElement> = {
  converted_type: 'TIMESTAMP_MICROS',
  logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
};

const element = ({ name, type, nullable = true }: FrameColumn, logical: boolean): SchemaElement => ({
  name,
  repetition_type: nullable ? 'OPTIONAL' : 'REQUIRED',
  ...PHYSICAL[type],
  ...(logical && type === 'timestamp' ? TIMESTAMP : {}),
});
const schemaOf = (columns: readonly FrameColumn[], logical: boolean): SchemaElement[] => [
  { name: 'root', num_children: columns.length },
  ...columns.map((column) => element(column, logical)),
];

/**
 * A Parquet file: a row group a frame, with statistics of each column; times are TIMESTAMP(MICROS, UTC). `zstd` rejects with
 * EXPORT_NO_ZSTD where this Node has none.
 */
export function createParquetWriter(
  columns: readonly FrameColumn[],
  writeBytes: WriteBytes,
  {
    compression = 'snappy',
    createdBy,
  }: { readonly compression?: ParquetCompression; readonly createdBy: string },
): FrameWriter {
  if (compression === 'zstd' && zstdCompress === undefined) throw noZstd();
  const bytes = new ByteWriter();
  // Written as plain integers, and named as times in the end: the library would make a BigInt of every value twice.
  const parquet = new ParquetWriter({
    writer: bytes,
    schema: schemaOf(columns, false),
    codec: compression === 'zstd' ? 'ZSTD' : 'SNAPPY',
    compressors: {
      SNAPPY: snappyCompressor(),
      ...(zstdCompress === undefined ? {} : { ZSTD: (input: Uint8Array) => zstdCompress(input) }),
    },
    createdBy,
  });
  const flush = async () => {
    const written = bytes.getBytes().slice();
    bytes.index = 0;
    await writeBytes(written);
  };
  return {
    write: async ({ rows, data }: Frame) => {
      const columnData = columns.map(({ name, type }, index) => ({
        name,
        data: valuesOf(data[index] as ColumnData),
        // A dictionary of times is larger than they are.
        ...(type === 'timestamp' ? { encoding: 'PLAIN' as const } : {}),
      }));
      await parquet.write({ columnData, rowGroupSize: rows });
      await flush();
    },
    finish: async () => {
      parquet.schema = schemaOf(columns, true);
      await parquet.finish();
      await flush();
    },
  };
}

/** Typed arrays have no nulls. */
function valuesOf({ values, nulls }: ColumnData): DecodedArray {
  if (nulls === undefined || Array.isArray(values)) return values as DecodedArray;
  const list: unknown[] = Array.from(values as ArrayLike<unknown>);
  for (let row = 0; row < list.length; row++) if (nulls[row] === 1) list[row] = null;
  return list as DecodedArray;
}

const noZstd = () =>
  new FieldwatchError(`export: this Node (${process.version}) has no zstd`, {
    code: 'EXPORT_NO_ZSTD',
    kind: 'config',
    remedy: 'Use --compression snappy, or Node 22.15 or newer.',
  });
