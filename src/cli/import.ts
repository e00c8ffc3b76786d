import { existsSync } from 'node:fs';
import { InvalidArgumentError, Option } from 'commander';
import {
  IMPORT_FORMATS,
  type ImportFormat,
  formatOfName,
  readTable,
} from '../adapters/frame/table-reader.ts';
import { silentLogger } from '../adapters/log/logger.ts';
import { type ImportFile, type ImportOutcome, importFiles } from '../app/import/import-files.ts';
import { readerFor } from '../app/import/read-blocks.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema/index.ts';
import { counted } from '../core/counted.ts';
import { TIME_UNITS, type TimeUnit } from '../core/ingest/mapping/instant.ts';
import { isoFromMicros } from '../core/ingest/mapping/instant.ts';
import type { TableOptions, TableReader, TableResult } from '../core/ingest/table/table-mapping.ts';
import { repeated } from './arguments.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  jsonOption,
  print,
  subcommand,
  usage,
} from './command.ts';
import { withDatabaseUrl } from './database.ts';
import { Progress } from './export/progress.ts';
import { withInvocation } from './invocation.ts';
import { printRows } from './output/rows.ts';
import type { Column } from './output/table.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly format?: ImportFormat;
  readonly map?: ReadonlyMap<string, string>;
  readonly ignore?: readonly string[];
  readonly sensor?: string;
  readonly timeUnit?: TimeUnit;
  readonly dryRun?: boolean;
  readonly rows: number;
  readonly restart?: boolean;
  readonly refresh: boolean;
  readonly alerts: 'off' | 'backfilled';
}

const NOTES = `\
A column is the sensor (device, sensor, …), the time (time, timestamp, ts, …), the location, or a metric by its own name; --map says otherwise
for those that it names. With columns for metric and value, a row is one value. --dry-run shows what becomes of the columns and the first rows.
Of line protocol, tags and fields are the columns; times are nanoseconds unless --time-unit says otherwise.

Rows go the way of messages: sensors register themselves, what is stored already is a duplicate, and what cannot be stored is a dead letter
of the topic import/FILE. They raise no alerts, unless --alerts backfilled stores those that are over, which are never notified; \`fieldwatch rules backtest\` only shows them. Aggregates of
the imported hours are refreshed. Repeating an import changes nothing; one that was interrupted goes on where it was.
`;

/** `fieldwatch import FILE…`: rows of files become readings. */
export const importCommand: CliCommand = (cli) =>
  subcommand(
    'import',
    'store readings of CSV, NDJSON, Parquet, Arrow and InfluxDB line protocol files',
    'fieldwatch import readings.parquet\n' +
      'fieldwatch import old.csv --map sensor=device,time=when,temperature=temp_c --ignore comment --dry-run',
  )
    .argument('<files...>', 'files; text may be gzipped (.gz)')
    .addOption(new Option('--format <format>', 'default: by the name of each file').choices(IMPORT_FORMATS))
    .option(
      '--map <to=column,...>',
      'sensor, time, location, metric, value, or a metric, to its column',
      mapArgument,
    )
    .option('--ignore <column>', 'leave this column out; may be repeated', repeated)
    .option('--sensor <key>', 'the sensor of all rows')
    .addOption(
      new Option('--time-unit <unit>', 'of times that are numbers (default: by their magnitude)').choices(
        TIME_UNITS,
      ),
    )
    .option('--dry-run', 'show the first rows as they would be stored')
    .option('--rows <n>', 'rows that --dry-run shows', Number, 10)
    .addOption(
      new Option(
        '--alerts <how>',
        'backfilled: store those that the rules would have raised; nothing is notified',
      )
        .choices(['off', 'backfilled'])
        .default('off'),
    )
    .option('--restart', 'begin anew where an import was interrupted')
    .option('--no-refresh', 'leave the aggregates to the policies and to `policies repair --only late`')
    .option(...configOption)
    .option(...jsonOption)
    .addHelpText('after', withInvocation(NOTES, cli))
    .action(cli.action((files: readonly string[], options: Options) => run(cli, files, options)));

function mapArgument(
  text: string,
  before: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const map = new Map(before);
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    if (at < 1 || at === part.length - 1)
      throw new InvalidArgumentError('Expected TO=COLUMN, such as sensor=device or temperature=temp_c.');
    map.set(part.slice(0, at).trim(), part.slice(at + 1));
  }
  return map;
}

async function run(cli: Cli, paths: readonly string[], options: Options): Promise<ExitCode> {
  const files = paths.map((path) => fileOf(path, options));
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const table = tableOptions(config, options, files);
  if (options.dryRun === true) return dryRun(cli, files, table, options);
  const abort = new AbortController();
  void cli.interrupted.then(() => abort.abort());
  const progress = new Progress(cli);
  const job = {
    ...{ files, table, restart: options.restart === true, refresh: options.refresh, signal: abort.signal },
    alerts: options.alerts === 'backfilled',
    onProgress: (rows: number, share: number) => progress.add(rows, share),
    onResumed: (path: string, row: number) =>
      cli.stderr.write(`fieldwatch: ${path}: going on behind row ${row.toLocaleString('en-US')}\n`),
  };
  try {
    return await withDatabaseUrl(
      cli,
      config,
      async (url) => {
        const outcome = await importFiles(config, url, job, silentLogger);
        const done = progress.end();
        return report(cli, outcome, done, options);
      },
      { refuseNewer: true },
    );
  } catch (error) {
    progress.end();
    cli.stderr.write(
      `fieldwatch: import ${abort.signal.aborted ? 'interrupted' : 'ended'} before its end; the same command goes on behind what is stored\n`,
    );
    if (abort.signal.aborted) return 1;
    throw error;
  }
}

function fileOf(path: string, { format }: Options): ImportFile {
  if (!existsSync(path)) throw usage(`there is no file ${path}`);
  const found = format ?? formatOfName(path);
  if (found !== undefined) return { path, format: found };
  throw usage(`the name of ${path} does not say what it is`, `Say it: --format ${IMPORT_FORMATS.join('|')}.`);
}

function tableOptions(
  { time_window: window }: Config,
  { map = new Map(), ignore = [], sensor, timeUnit }: Options,
  files: readonly ImportFile[],
): TableOptions {
  const lines = files.every(({ format }) => format === 'line-protocol');
  return {
    ...{ map, ignore: new Set(ignore), sensor, timeUnit: timeUnit ?? (lines ? 'ns' : 'auto') },
    maxPastUs: window.max_past * 1000,
    maxFutureUs: window.max_future * 1000,
  };
}

interface DryRow {
  readonly time: string | null;
  readonly sensor: string | null;
  readonly location: string | null;
  readonly stored: string;
}

const DRY_COLUMNS: readonly Column<DryRow>[] = (['time', 'sensor', 'location', 'stored'] as const).map(
  (title) => ({
    title,
    value: (row) => row[title],
  }),
);

async function dryRun(
  cli: Cli,
  files: readonly ImportFile[],
  table: TableOptions,
  { rows: most, json }: Options,
): Promise<ExitCode> {
  let faults = 0;
  for (const { path, format } of files) {
    const readers = readerFor(table);
    const shown: DryRow[] = [];
    let described = false;
    for await (const chunk of readTable(path, format)) {
      const { rows, faults: unread = [] } = chunk;
      const reader = readers(chunk);
      if (!described) cli.stderr.write(`${path} (${format}): ${describe(reader, table)}\n`);
      described = true;
      const results = rows.slice(0, most - shown.length).map((row) => reader.read(row, Date.now() * 1000));
      shown.push(
        ...results.map(dryRow),
        ...unread.slice(0, most).map(({ detail }) => letter('parse_error', detail)),
      );
      faults += results.filter((result) => result !== 'empty' && 'code' in result).length + unread.length;
      if (shown.length >= most) break;
    }
    printRows(cli, DRY_COLUMNS, shown, { json });
  }
  return faults === 0 ? 0 : 1;
}

function describe({ roles, metrics }: TableReader, { sensor }: TableOptions): string {
  const named = Object.entries(roles).map(([role, column]) => `${role} is ${JSON.stringify(column)}`);
  const fixed =
    roles.sensor === undefined && sensor !== undefined ? [`sensor is ${sensor} for all rows`] : [];
  const values = metrics.map(({ column, metric }) => (column === metric ? metric : `${metric} (${column})`));
  return [...named, ...fixed, ...(values.length === 0 ? [] : [`metrics ${values.join(', ')}`])].join('; ');
}

const letter = (code: string, detail: string): DryRow => ({
  ...{ time: null, sensor: null, location: null },
  stored: `dead letter ${code}: ${detail}`,
});

function dryRow(result: TableResult): DryRow {
  if (result === 'empty') return { time: null, sensor: null, location: null, stored: 'nothing: no value' };
  if ('code' in result) return letter(result.code, result.detail);
  const { timeUs, device, location, metrics } = result;
  const stored = [...metrics].map(([name, value]) => `${name}=${value}`).join(' ');
  return { time: isoFromMicros(timeUs) ?? null, sensor: device, location: location ?? null, stored };
}

/** The figures, and what needs attention. */
function report(cli: Cli, outcome: ImportOutcome, done: string, { json }: Options): ExitCode {
  const { rows, stored, duplicate, merged, conflict, deadLettered, empty, expired, refreshes, alerts } =
    outcome;
  const figures = { rows, stored, duplicate, merged, conflict, dead_lettered: deadLettered, empty, expired };
  if (json === true)
    print(cli, JSON.stringify({ ...figures, refreshes: refreshes ?? null, alerts: alerts ?? null }));
  else {
    const texts = Object.entries(figures).flatMap(([name, count]) =>
      count === 0 || name === 'rows' ? [] : [`${count.toLocaleString('en-US')} ${name.replace('_', ' ')}`],
    );
    if (alerts !== undefined) texts.push(`${counted(alerts, 'alert')} backfilled`);
    print(cli, `${done}: ${texts.length === 0 ? 'nothing to store' : texts.join(', ')}`);
  }
  const say = (text: string) => void cli.stderr.write(`fieldwatch: ${withInvocation(text, cli)}\n`);
  if (deadLettered + conflict > 0)
    say(`${deadLettered + conflict} rows are dead letters: \`fieldwatch dead-letters list --since 1h\``);
  if (expired > 0) say(`${expired} rows are older than the retention of readings, and were left out`);
  if (refreshes === undefined)
    say('not all aggregates are refreshed: `fieldwatch policies repair --only late` does the rest');
  return deadLettered + conflict + expired > 0 || refreshes === undefined ? 1 : 0;
}
