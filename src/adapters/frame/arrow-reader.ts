import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import * as zlib from 'node:zlib';
import {
  CompressionType,
  type Data,
  DataType,
  type RecordBatch,
  RecordBatchReader,
  type Schema,
  type Table,
  TimeUnit,
  type Vector,
  compressionRegistry,
  tableFromIPC,
} from 'apache-arrow';
import { decompressZstd } from 'hyparquet-compressors';
import type { TableChunk } from '../../core/ingest/table/reading-block.ts';

const ROWS = 10_000;
/** Microseconds of a unit of time. */
const PER_UNIT: Readonly<Record<TimeUnit, number>> = {
  [TimeUnit.SECOND]: 1e6,
  [TimeUnit.MILLISECOND]: 1e3,
  [TimeUnit.MICROSECOND]: 1,
  [TimeUnit.NANOSECOND]: 1e-3,
};
const zstd = (zlib as { readonly zstdDecompressSync?: (bytes: Uint8Array) => Uint8Array }).zstdDecompressSync;

const registerZstd = (): void =>
  compressionRegistry.set(CompressionType.ZSTD, {
    decode: (bytes: Uint8Array) => (zstd === undefined ? decompressZstd(bytes) : zstd(bytes)),
  });

/** A file or stream of Arrow IPC in memory. Throws where it has no schema or no end: the library reads the beginning of either as a whole. */
export function arrowTableOf(bytes: Uint8Array): Table {
  registerZstd();
  const isFile = startsWith(bytes, MAGIC);
  if (isFile && !startsWith(bytes.subarray(-MAGIC.length), MAGIC)) throw new Error('a file without its end');
  const table = tableFromIPC(bytes);
  if (table.schema.fields.length === 0) throw new Error('no schema');
  return table;
}

const MAGIC = new TextEncoder().encode('ARROW1');
const startsWith = (bytes: Uint8Array, begin: Uint8Array): boolean =>
  bytes.length >= begin.length && begin.every((byte, at) => bytes[at] === byte);

/** The rows of a table in pieces of bounded size. */
export function* readArrowTable({ batches }: Pick<Table, 'batches'>): Generator<TableChunk> {
  const total = batches.reduce((sum, { numRows }) => sum + numRows, 0);
  let firstRow = 1;
  for (const batch of batches) {
    for (const rows of rowsOf(batch)) {
      yield { names: namesOf(batch), rows, firstRow, share: (firstRow - 1 + rows.length) / total };
      firstRow += rows.length;
    }
  }
}

/** A file or a stream of Arrow IPC, a record batch at a time. */
export async function* readArrow(path: string): AsyncGenerator<TableChunk> {
  registerZstd();
  const { size } = await stat(path);
  const file = createReadStream(path);
  const reader = await RecordBatchReader.from(file);
  await reader.open();
  // The library makes a stream without columns of an empty file.
  const schema = reader.schema as Schema | undefined;
  if (schema === undefined || schema.fields.length === 0) throw new Error('no schema');
  let firstRow = 1;
  for await (const batch of reader) {
    for (const rows of rowsOf(batch)) {
      yield { names: namesOf(batch), rows, firstRow, share: file.bytesRead / size };
      firstRow += rows.length;
    }
  }
}

const namesOf = (batch: RecordBatch): readonly string[] => batch.schema.names.map(String);

function* rowsOf(batch: RecordBatch): Generator<readonly (readonly unknown[])[]> {
  const columns = namesOf(batch).map((name) => valuesOf(batch.getChild(name) as Vector));
  for (let at = 0; at < batch.numRows; at += ROWS) {
    const count = Math.min(ROWS, batch.numRows - at);
    yield Array.from({ length: count }, (_, row) => columns.map((value) => value(at + row)));
  }
}

function valuesOf(vector: Vector): (row: number) => unknown {
  const type = vector.type as DataType;
  const data = vector.data[0] as Data | undefined;
  if (DataType.isTimestamp(type) && data !== undefined) {
    const factor = PER_UNIT[type.unit];
    const values = data.values as BigInt64Array;
    return (row) => (vector.isValid(row) ? { timeUs: Math.floor(Number(values[row]) * factor) } : null);
  }
  if (DataType.isDate(type))
    return (row) => (vector.isValid(row) ? { timeUs: Number(vector.get(row)) * 1000 } : null);
  return (row) => vector.get(row) as unknown;
}
