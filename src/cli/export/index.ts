import { existsSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { Argument, type Command, Option } from 'commander';
import { AtomicFile } from '../../adapters/frame/atomic-file.ts';
import { type CopySource, openCopySource } from '../../adapters/timescale/connection/copy-out.ts';
import { type ExportRequest, exportPartitions } from '../../app/export/partitions.ts';
import { type ExportFormat, FORMATS, type FormatOptions, writeExport } from '../../app/export/write.ts';
import { connectOptions } from '../../app/options.ts';
import { loadConfig } from '../../config/load.ts';
import { counted } from '../../core/counted.ts';
import { DATASETS, type Dataset } from '../../queries/export/dataset.ts';
import { type ExportPlan, planExport } from '../../queries/export/plan.ts';
import { type Span, lengthOf } from '../../queries/export/slices.ts';
import { type Moment, momentArgument, repeated } from '../arguments.ts';
import { type Cli, type CliCommand, type ExitCode, configOption, subcommand, usage } from '../command.ts';
import { withDatabaseUrl } from '../database.ts';
import { Progress } from './progress.ts';

interface Options {
  readonly config?: string;
  readonly format?: ExportFormat;
  readonly since?: Moment;
  readonly until?: Moment;
  readonly sensor?: readonly string[];
  readonly location?: string;
  readonly metric?: readonly string[];
  readonly wide?: boolean;
  readonly long?: boolean;
  readonly partition?: 'day';
  readonly output?: string;
  readonly compression: 'snappy' | 'zstd';
  readonly overwrite?: boolean;
}

/** All that microseconds in a double reach; devices with a wrong clock are within it. */
const FIRST = new Date(0);
const LAST = new Date('2255-01-01');

const NOTES = `\
readings      a row a time and sensor, a column a metric (--wide, the default), or a row a value (--long)
metrics       the same of metrics without a column in sensor_readings only; --long is the default
hourly, daily the aggregates, as far as they are refreshed
alerts        one row an alert
dead-letters  messages that gave no reading, with what is kept of their payloads

Everything that is stored is exported unless --since, --until, --sensor, --location or --metric say less; there is no limit of rows.
Times are UTC with microseconds. A file appears under its name once it is complete. With --partition day, -o names a folder: days that are
complete there are skipped, so that a run that was interrupted is simply repeated.
`;

/** `fieldwatch export DATASET`: rows of the database as CSV, NDJSON, Parquet or Arrow. */
export const exportCommand: CliCommand = (cli) =>
  withOptions(
    subcommand(
      'export',
      'write readings, metrics, alerts, aggregates or dead letters as CSV, NDJSON, Parquet or Arrow',
      'fieldwatch export readings --since 30d -o readings.parquet\n' +
        'fieldwatch export readings --sensor coldroom-07 --metric temperature --metric co2 > coldroom.csv\n' +
        'fieldwatch export readings --format parquet --partition day -o archive/',
    ),
  )
    .addHelpText('after', NOTES)
    .action(cli.action((dataset: Dataset, options: Options) => run(cli, dataset, options)));

const withOptions = (command: Command): Command =>
  command
    .addArgument(new Argument('<dataset>', 'what to export').choices(DATASETS))
    .addOption(new Option('--format <format>', 'default: by the name of the file, else csv').choices(FORMATS))
    .option('-o, --output <file>', 'file, folder with --partition, or - for standard output (default: -)')
    .option('--since <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d (default: all)', momentArgument)
    .option('--until <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d (default: all)', momentArgument)
    .option('--sensor <key>', 'only this sensor; may be repeated', repeated)
    .option('--location <name>', 'only sensors of this location')
    .option('--metric <name>', 'only this metric; may be repeated', repeated)
    .addOption(new Option('--wide', 'a column a metric').conflicts('long'))
    .option('--long', 'a row a metric, in the columns metric and value')
    .addOption(new Option('--partition <unit>', 'a file a UTC day').choices(['day']))
    .addOption(
      new Option('--compression <codec>', 'of Parquet').choices(['snappy', 'zstd']).default('snappy'),
    )
    .option('--overwrite', 'replace files that are there')
    .option(...configOption);

/** Where the rows go. */
type Target =
  | { readonly kind: 'stdout' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'folder'; readonly path: string };

interface Job {
  readonly target: Target;
  readonly format: FormatOptions;
  readonly signal: AbortSignal;
}

async function run(cli: Cli, dataset: Dataset, options: Options): Promise<ExitCode> {
  const target = targetOf(options);
  const format = formatOf(cli, options, target);
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const abort = new AbortController();
  void cli.interrupted.then(() => abort.abort());
  const job = { target, format, signal: abort.signal };
  const read = async (url: string): Promise<ExitCode> => {
    const connect = { ...connectOptions(config, url, 'cli'), readsOnly: true };
    const source = await openCopySource(connect, abort.signal);
    try {
      return await exportTo(cli, source, { dataset, options, job });
    } finally {
      await source.close();
    }
  };
  try {
    return await withDatabaseUrl(cli, config, read, { readsOnly: true });
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    const kept =
      target.kind === 'folder'
        ? 'complete days are kept, and the same command goes on with the others'
        : 'nothing incomplete is kept';
    cli.stderr.write(`fieldwatch: export interrupted; ${kept}\n`);
    return 1;
  }
}

async function exportTo(
  cli: Cli,
  source: CopySource,
  { dataset, options, job }: { readonly dataset: Dataset; readonly options: Options; readonly job: Job },
): Promise<ExitCode> {
  const { target, format, signal } = job;
  const nowMs = Date.now();
  const shape = options.long === true ? 'long' : options.wide === true ? 'wide' : undefined;
  const { sensor: sensors = [], metric: metrics = [], location } = options;
  const plan = await planExport(source, {
    ...rangeFrom(options, nowMs),
    ...{ dataset, shape, sensors, location, metrics },
    textOnly: format.format === 'csv',
  });
  const progress = new Progress(cli);
  const onSlice = progressOf(plan, progress);
  const read = { onSlice, onRows: (rows: number) => progress.show(rows) };
  const request: ExportRequest = {
    ...{ dataset, format: format.format, shape: shape ?? null },
    ...{ sensors, location: location ?? null, metrics },
  };
  let where = '';
  let nothing = 'no rows';
  if (target.kind === 'folder') {
    const overwrite = options.overwrite === true;
    const { path: folder } = target;
    const partitions = { folder, request, format, startedAtMs: nowMs, overwrite, read };
    const { written, skipped, bytes } = await exportPartitions(source, plan, partitions);
    const more = skipped === 0 ? '' : `, ${counted(skipped, 'day')} complete before`;
    where = `: ${counted(written, 'file')} in ${folder} (${sizeText(bytes)})${more}`;
    nothing = skipped === 0 ? nothing : 'nothing new';
  } else if (target.kind === 'file') {
    const file = await AtomicFile.create(target.path);
    try {
      await writeExport(source, plan, format, (bytes) => file.write(bytes), read);
      signal.throwIfAborted();
      await file.commit();
    } catch (error) {
      await file.discard();
      throw error;
    }
    where = `: ${target.path} (${sizeText(file.bytes)})`;
  } else {
    await writeExport(source, plan, format, (bytes) => toStdout(cli, bytes), read);
  }
  const done = progress.end();
  cli.stderr.write(progress.rows === 0 ? `${nothing}${where}\n` : `${done}${where}\n`);
  return 0;
}

function rangeFrom({ since, until }: Options, nowMs: number): { readonly from: Date; readonly to: Date } {
  const from = since?.(nowMs) ?? FIRST;
  const to = until?.(nowMs) ?? LAST;
  if (from < to) return { from, to };
  throw usage(`--since ${from.toISOString()} is not before --until ${to.toISOString()}`);
}

/** The share of the work by the time that is covered. */
function progressOf({ spans }: ExportPlan, progress: Progress): (slice: Span, rows: number) => void {
  const total = lengthOf(spans);
  let covered = 0;
  return (slice, rows) => {
    covered += slice.toMs - slice.fromMs;
    progress.add(rows, total === 0 ? 1 : covered / total);
  };
}

/** Resolves when the reader of standard output takes more. */
async function toStdout(cli: Cli, bytes: Uint8Array): Promise<void> {
  if (cli.stdout.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))) return;
  await new Promise<void>((resolve) => cli.stdout.once('drain', resolve));
}

function targetOf({ output = '-', partition, overwrite = false }: Options): Target {
  if (output === '-') {
    if (partition === undefined) return { kind: 'stdout' };
    throw usage('--partition needs a folder: -o FOLDER');
  }
  const isFolder = existsSync(output) && statSync(output).isDirectory();
  if (partition !== undefined) {
    if (existsSync(output) && !isFolder) throw usage(`--partition needs a folder, and ${output} is a file`);
    return { kind: 'folder', path: output };
  }
  if (isFolder) throw usage(`${output} is a folder`, 'Name a file, or write a file a day: --partition day.');
  if (existsSync(output) && !overwrite)
    throw usage(`${output} exists`, 'Choose another name, or replace it with --overwrite.');
  return { kind: 'file', path: output };
}

const BY_EXTENSION: Readonly<Record<string, ExportFormat>> = {
  '.csv': 'csv',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.parquet': 'parquet',
  '.arrow': 'arrow',
  '.feather': 'arrow',
};

function formatOf(cli: Cli, options: Options, target: Target): FormatOptions {
  const named = target.kind === 'file' ? BY_EXTENSION[extname(target.path).toLowerCase()] : undefined;
  const format = options.format ?? named ?? 'csv';
  const piped = target.kind === 'stdout';
  if (piped && cli.stdout.isTTY === true && (format === 'parquet' || format === 'arrow'))
    throw usage(`${format} is not for a terminal`, `Name a file: -o readings.${format}`);
  return { format, compression: options.compression, piped };
}

function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const [divisor, unit] = bytes < 1e6 ? [1e3, 'kB'] : bytes < 1e9 ? [1e6, 'MB'] : [1e9, 'GB'];
  return `${(bytes / divisor).toFixed(1)} ${unit}`;
}
