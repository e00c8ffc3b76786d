import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import * as zlib from 'node:zlib';
import {
  CompressionType,
  type Data,
  DataType,
  type RecordBatch,
  RecordBatchReader,
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

/** The rows of a table, or of a file or stream of Arrow IPC in memory, in pieces of bounded size. */
export function* readArrowTable(source: Pick<Table, 'batches'> | Uint8Array): Generator<TableChunk> {
  registerZstd();
  const batches = source instanceof Uint8Array ? tableFromIPC(source).batches : source.batches;
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
