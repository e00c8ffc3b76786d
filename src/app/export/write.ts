import type { CopySource } from '../../adapters/timescale/connection/copy-out.ts';
import type { FrameColumn } from '../../core/frame/frame.ts';
import { version } from '../../lib/version.ts';
import type { FrameWriter, WriteBytes } from '../../ports/frame.ts';
import type { ExportPlan } from '../../queries/export/plan.ts';
import { type ReadOptions, exportCsv, exportFrames } from '../../queries/export/read.ts';

export const FORMATS = ['csv', 'ndjson', 'parquet', 'arrow'] as const;
export type ExportFormat = (typeof FORMATS)[number];

export interface FormatOptions {
  readonly format: ExportFormat;
  /** Compression of Parquet. */
  readonly compression?: 'snappy' | 'zstd' | undefined;
  /** For a pipe: Arrow's stream instead of its file, whose reader has to seek. */
  readonly piped?: boolean | undefined;
}

/** Lines of text are made of fewer rows at once than row groups are. */
const NDJSON_ROWS = 10_000;

/** Writes the rows of an export in a format. Memory stays bounded: the source waits for `write`. */
export async function writeExport(
  source: Pick<CopySource, 'copyOut'>,
  plan: ExportPlan,
  options: FormatOptions,
  write: WriteBytes,
  read: ReadOptions = {},
): Promise<void> {
  if (options.format === 'csv') {
    for await (const bytes of exportCsv(source, plan, read)) await write(bytes);
    return;
  }
  const writer = await openFrameWriter(plan.columns, options, write);
  const rows = options.format === 'ndjson' ? { rowsPerFrame: NDJSON_ROWS } : {};
  for await (const frame of exportFrames(source, plan, { ...rows, ...read })) await writer.write(frame);
  await writer.finish();
}

/** Loads the library of the format, and nothing of the others. */
export async function openFrameWriter(
  columns: readonly FrameColumn[],
  { format, compression = 'snappy', piped = false }: FormatOptions,
  write: WriteBytes,
): Promise<FrameWriter> {
  if (format === 'parquet') {
    const { createParquetWriter } = await import('../../adapters/frame/parquet-writer.ts');
    return createParquetWriter(columns, write, { compression, createdBy: `fieldwatch ${version()}` });
  }
  if (format === 'arrow') {
    const { createArrowWriter } = await import('../../adapters/frame/arrow-writer.ts');
    return createArrowWriter(columns, write, piped ? 'stream' : 'file');
  }
  const { createNdjsonWriter } = await import('../../adapters/frame/ndjson-writer.ts');
  return createNdjsonWriter(write);
}
