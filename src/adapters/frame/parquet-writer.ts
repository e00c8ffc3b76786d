import * as zlib from 'node:zlib';
import type { DecodedArray, ParquetType, SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { snappyCompressor } from 'hysnappy';
import { FieldwatchError } from '../../core/errors.ts';
import type { ColumnData, ColumnType, Frame, FrameColumn } from '../../core/frame/frame.ts';
import { type ChunkStatistics, statisticsOf } from './parquet-statistics.ts';
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
const schemaOf = (elements: readonly SchemaElement[]): SchemaElement[] => [
  { name: 'root', num_children: elements.length },
  ...elements,
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
  const parquet = new ParquetWriter({
    writer: bytes,
    schema: schemaOf([]),
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
      const chunks = columns.map((column, index) => chunkOf(column, data[index] as ColumnData));
      parquet.schema = schemaOf(chunks.map((chunk) => chunk.element));
      const columnData = chunks.map((chunk) => ({
        name: chunk.element.name,
        data: chunk.data,
        statistics: chunk.statistics === undefined,
        ...(chunk.encoding === undefined ? {} : { encoding: chunk.encoding }),
      }));
      await parquet.write({ columnData, rowGroupSize: rows });
      for (const [index, { meta_data: meta }] of (parquet.row_groups.at(-1)?.columns ?? []).entries()) {
        const { statistics } = chunks[index] as Chunk;
        if (meta === undefined) continue;
        meta.type = PHYSICAL[(columns[index] as FrameColumn).type].type as ParquetType;
        if (statistics !== undefined) meta.statistics = statistics;
      }
      await flush();
    },
    finish: async () => {
      parquet.schema = schemaOf(columns.map((column) => element(column, true)));
      await parquet.finish();
      await flush();
    },
  };
}

/** A column of a row group, as the library is given it. */
interface Chunk {
  readonly element: SchemaElement;
  readonly data: DecodedArray;
  readonly encoding: 'PLAIN' | undefined;
  /** Undefined: the library computes them. */
  readonly statistics: ChunkStatistics | undefined;
}

/**
 * Times are written as plain integers, or as doubles of the same bits, and get their type in the end: the library would make a BigInt of
 * every value, several times. A dictionary of them would be larger than they are.
 */
function chunkOf(column: FrameColumn, data: ColumnData): Chunk {
  const statistics = statisticsOf(column, data);
  const { values } = data;
  const encoding = column.type === 'timestamp' ? 'PLAIN' : undefined;
  const plain = element(column, false);
  // Statistics: none is null, or beyond what a double holds. Not negative: no double that is NaN, whose bits may change.
  const least = encoding && values instanceof BigInt64Array ? statistics?.min_value : undefined;
  if (typeof least !== 'bigint' || least < 0n)
    return { element: plain, data: valuesOf(data), encoding, statistics };
  const { buffer, byteOffset, length } = values as BigInt64Array;
  const bits = new Float64Array(buffer, byteOffset, length);
  return { element: { ...plain, type: 'DOUBLE' }, data: bits, encoding, statistics };
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
