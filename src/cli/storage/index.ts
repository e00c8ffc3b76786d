import type { Command } from 'commander';
import { loadConfig } from '../../config/load.ts';
import { type PolicyPlan, planOf } from '../../core/policy/plan.ts';
import { dailyStatistics, hourlyStatistics } from '../../queries/statistics.ts';
import type { Db, MetricQuery } from '../../queries/db.ts';
import { type Explained, explain } from '../../queries/explain.ts';
import { latestReadings } from '../../queries/latest-readings.ts';
import { recentReadings } from '../../queries/readings.ts';
import { type ChunkRow, type StorageRow, listChunks, storageStatistics } from '../../queries/storage.ts';
import { type RowLimit, limitOption } from '../arguments.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  jsonOption,
  subcommand,
} from '../command.ts';
import { withDatabase } from '../database.ts';
import { limited, printRows } from '../output/rows.ts';
import {
  compressCommand,
  decompressCommand,
  dropCommand,
  refreshCommand,
  relationArgument,
} from './change.ts';
import type { Column } from '../output/table.ts';

interface StorageOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly limit: RowLimit;
}

/** `fieldwatch storage`: chunks, sizes, and what is done with them by hand. */
export const storageCommand: CliCommand = (cli) => {
  const command = subcommand(
    'storage',
    'sizes, chunks, compression and aggregates, by hand',
    'fieldwatch storage stats\nfieldwatch storage chunks sensor_readings --limit 10',
  );
  for (const build of [statsCommand, chunksCommand, explainCommand]) command.addCommand(build(cli));
  for (const build of [compressCommand, decompressCommand, dropCommand, refreshCommand]) {
    command.addCommand(build(cli));
  }
  return command;
};

function onStorage<Rest extends unknown[]>(
  cli: Cli,
  run: (db: Db, plan: PolicyPlan, options: StorageOptions, ...rest: Rest) => Promise<void>,
) {
  return cli.action(async (...args: [...Rest, StorageOptions, Command]): Promise<ExitCode> => {
    const options = args.at(-2) as StorageOptions;
    const { config } = loadConfig({ file: options.config, env: cli.env });
    const rest = args.slice(0, -2) as unknown as Rest;
    await withDatabase(cli, config, (db) => run(db, planOf(config.policies), options, ...rest));
    return 0;
  });
}

function statsCommand(cli: Cli): Command {
  return subcommand(
    'stats',
    'size, chunks and compression of each table and aggregate',
    'fieldwatch storage stats --json',
  )
    .option(...configOption)
    .option(...jsonOption)
    .action(
      onStorage<[]>(cli, async (db, plan, { json }) => {
        const rows = await storageStatistics(
          db,
          plan.relations.map(({ relation }) => relation.name),
        );
        printRows(cli, STATS, rows, { json });
      }),
    );
}

function chunksCommand(cli: Cli): Command {
  return subcommand(
    'chunks',
    'chunks of a table, newest first',
    'fieldwatch storage chunks sensor_readings --limit 10',
  )
    .addArgument(relationArgument())
    .option(...configOption)
    .addOption(limitOption(50, 'chunks'))
    .option(...jsonOption)
    .action(
      onStorage<[string]>(cli, async (db, _plan, { json, limit }, relation) => {
        const rows = await limited(cli, { limit }, (most) => listChunks(db, relation, most));
        printRows(cli, CHUNKS, rows, { json });
      }),
    );
}

/** The queries behind the read commands, as they are usually asked. */
function usualQueries(nowMs: number): readonly (readonly [string, (db: Db) => Promise<unknown>])[] {
  const ago = (hours: number) => new Date(nowMs - hours * 3_600_000);
  const day = { from: ago(24), to: new Date(nowMs), limit: 1000 };
  const metric = (hours: number): MetricQuery => ({ ...day, from: ago(hours), metric: 'temperature' });
  return [
    ['readings recent --since 1h', (db) => recentReadings(db, { ...day, from: ago(1) })],
    ['readings recent --since 24h', (db) => recentReadings(db, day)],
    ['readings latest --since 24h', (db) => latestReadings(db, { since: ago(24), nowMs, limit: 1000 })],
    ['readings hourly --since 7d', (db) => hourlyStatistics(db, metric(7 * 24))],
    ['readings daily --since 30d', (db) => dailyStatistics(db, metric(30 * 24))],
  ];
}

function explainCommand(cli: Cli): Command {
  return subcommand(
    'explain',
    'how many chunks our queries touch, out of how many',
    'fieldwatch storage explain',
  )
    .option(...configOption)
    .option(...jsonOption)
    .action(
      onStorage<[]>(cli, async (db, _plan, { json }) => {
        const rows: Explained[] = [];
        for (const [name, ask] of usualQueries(Date.now())) rows.push(await explain(db, name, ask));
        printRows(cli, EXPLAINED, rows, { json });
      }),
    );
}

const bytes = (value: unknown): string => {
  if (typeof value !== 'number') return '-';
  const step = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), 4);
  return `${Number((value / 1024 ** step).toFixed(1))} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][step] ?? ''}`;
};

const STATS: readonly Column<StorageRow>[] = [
  { title: 'relation', value: (row) => row.relation },
  { title: 'size', value: (row) => row.bytes, format: bytes },
  { title: 'rows (est.)', value: (row) => row.rows },
  { title: 'chunks', value: (row) => row.chunks },
  { title: 'compressed', value: (row) => row.compressed },
  { title: 'before', value: (row) => row.before, format: bytes },
  { title: 'after', value: (row) => row.after, format: bytes },
  {
    title: 'ratio',
    value: (row) => row.ratio,
    format: (value) => (typeof value === 'number' ? `${value.toFixed(1)}x` : '-'),
  },
  { title: 'indexes', value: (row) => row.indexes },
];

const CHUNKS: readonly Column<ChunkRow>[] = [
  { title: 'chunk', value: (row) => row.chunk },
  { title: 'from', value: (row) => row.from },
  { title: 'to', value: (row) => row.to },
  { title: 'state', value: (row) => row.state },
  { title: 'size', value: (row) => row.bytes, format: bytes },
];

const EXPLAINED: readonly Column<Explained>[] = [
  { title: 'query', value: (row) => row.query },
  { title: 'chunks touched', value: (row) => row.touched },
  { title: 'of', value: (row) => row.of },
];
