import { type ImportFormat, readTable } from '../../adapters/frame/table-reader.ts';
import { type ReadingBlock, type TableChunk, blockOf } from '../../core/ingest/table/reading-block.ts';
import {
  type TableColumns,
  type TableOptions,
  type TableReader,
  compileTable,
} from '../../core/ingest/table/table-mapping.ts';

export interface BlockSourceFile {
  readonly path: string;
  readonly format: ImportFormat;
  readonly table: TableOptions;
  /** Rows at its beginning that are stored already. */
  readonly done: number;
}

/** Reads the chunks of a file with one reader for each set of columns; the first chunk has to say what is whose. */
export function readerFor(options: TableOptions): (columns: TableColumns) => TableReader {
  const readers = new Map<string, TableReader>();
  return ({ names, labels }) => {
    const key = JSON.stringify([names, labels]);
    let reader = readers.get(key);
    if (reader === undefined) {
      reader = compileTable({ names, labels }, options, readers.size > 0);
      readers.set(key, reader);
    }
    return reader;
  };
}

/** The readings of a file, a piece at a time. Rejects with IMPORT_UNREADABLE and IMPORT_MAP. */
export async function* blocksOf({
  path,
  format,
  table,
  done,
}: BlockSourceFile): AsyncGenerator<ReadingBlock> {
  const readers = readerFor(table);
  for await (const chunk of readTable(path, format))
    yield blockOf(behind(chunk, done), readers(chunk), Date.now());
}

/** Blocks of rows that are in no file. */
export function* blocksOfChunks(chunks: Iterable<TableChunk>, table: TableOptions): Generator<ReadingBlock> {
  const readers = readerFor(table);
  for (const chunk of chunks) yield blockOf(chunk, readers(chunk), Date.now());
}

/** The rows of a chunk that are not stored yet. */
function behind(chunk: TableChunk, row: number): TableChunk {
  const skip = Math.max(0, row - chunk.firstRow + 1);
  if (skip === 0) return chunk;
  const { names, labels = [], share } = chunk;
  return { names, labels, share, rows: chunk.rows.slice(skip), firstRow: chunk.firstRow + skip };
}
