import { asyncBufferFromFile, parquetMetadataAsync, parquetRead, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { FileTime } from '../../core/ingest/table/table-mapping.ts';
import type { TableChunk } from '../../core/ingest/table/reading-block.ts';

const ROWS = 10_000;
const time = (timeUs: number): FileTime => ({ timeUs });

/** Times keep their microseconds. */
const PARSERS = {
  timestampFromMilliseconds: (ms: bigint) => time(Number(ms) * 1000),
  timestampFromMicroseconds: (us: bigint) => time(Number(us)),
  timestampFromNanoseconds: (ns: bigint) => time(Number(ns / 1000n)),
  dateFromDays: (days: number) => time(days * 86_400_000_000),
};

/** A row group at a time: what its writer has chosen bounds the memory. */
export async function* readParquet(path: string): AsyncGenerator<TableChunk> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const total = Number(metadata.num_rows);
  let rowStart = 0;
  for (const { num_rows: rows } of metadata.row_groups) {
    const rowEnd = rowStart + Number(rows);
    let group: readonly (readonly unknown[])[] = [];
    const onComplete = (all: unknown) => (group = all as readonly (readonly unknown[])[]);
    await parquetRead({
      file,
      metadata,
      rowStart,
      rowEnd,
      compressors,
      parsers: PARSERS,
      onComplete,
    });
    for (let at = 0; at < group.length; at += ROWS) {
      const part = group.slice(at, at + ROWS);
      yield { names, rows: part, firstRow: rowStart + at + 1, share: (rowStart + at + part.length) / total };
    }
    rowStart = rowEnd;
  }
  if (total === 0) yield { names, rows: [], firstRow: 1, share: 1 };
}
