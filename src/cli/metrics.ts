import { loadConfig } from '../config/load.ts';
import { counted } from '../core/counted.ts';
import { FieldwatchError } from '../core/errors.ts';
import { appMetrics } from '../queries/app-metrics.ts';
import type { StoredAppMetric } from '../queries/rows.ts';
import { forgetMetrics, listMetrics, type MetricRow } from '../queries/metrics.ts';
import {
  type Moment,
  type RowLimit,
  limitOption,
  momentArgument,
  momentOption,
  repeated,
} from './arguments.ts';
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
import { withDatabase } from './database.ts';
import { onDatabase, rangeOf, withOutputOptions } from './read-command.ts';
import { limited, printRows } from './output/rows.ts';
import type { Column } from './output/table.ts';

const COLUMNS: readonly Column<MetricRow>[] = [
  { title: 'metric', value: (row) => row.metric },
  { title: 'unit', value: (row) => row.unit },
  { title: 'kind', value: (row) => row.kind },
  { title: 'first_seen', value: (row) => row.createdAt },
];

interface ListOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly limit: RowLimit;
}

const listCommand = (cli: Cli) =>
  withOutputOptions(
    subcommand('list', 'metrics beyond the five with a column of their own', 'fieldwatch metrics list'),
  )
    .addOption(limitOption(10_000))
    .action(
      onDatabase<ListOptions>(cli, async (db, options) => {
        printRows(cli, COLUMNS, await limited(cli, options, (limit) => listMetrics(db, { limit })), options);
        return 0;
      }),
    );

interface ForgetOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
}

const forgetCommand = (cli: Cli) =>
  subcommand(
    'forget',
    'delete metric names and all their values; without --yes only count them',
    'fieldwatch metrics forget junk_1 junk_2 --yes',
  )
    .argument('<names...>')
    .option('--yes', 'delete them')
    .option(...configOption)
    .option(...jsonOption)
    .addHelpText(
      'after',
      '\nAlerts keep their rows. A running daemon notices within a minute; values that it stores meanwhile have no name,\n' +
        'and the next `forget` deletes them. A sensor that goes on sending the metric adds its name again: see metrics.allow.\n',
    )
    .action(cli.action((names: readonly string[], options: ForgetOptions) => forget(cli, names, options)));

async function forget(cli: Cli, names: readonly string[], options: ForgetOptions): Promise<ExitCode> {
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const dryRun = options.yes !== true;
  const values = await withDatabase(cli, config, async (db) => {
    const known = new Set(
      (await listMetrics(db, { names, limit: names.length })).map(({ metric }) => metric),
    );
    const unknown = names.find((name) => !known.has(name));
    if (unknown !== undefined) throw unknownMetric(unknown);
    return forgetMetrics(db, names, { dryRun });
  });
  if (options.json === true) print(cli, JSON.stringify({ metrics: names, values, deleted: !dryRun }));
  else if (dryRun)
    print(
      cli,
      `would delete ${counted(names.length, 'metric name')} with ${counted(values, 'value')}; --yes deletes them`,
    );
  else print(cli, `deleted ${counted(names.length, 'metric name')} with ${counted(values, 'value')}`);
  return 0;
}

const unknownMetric = (name: string) =>
  new FieldwatchError(`no metric has the name ${JSON.stringify(name)}`, {
    code: 'METRIC_UNKNOWN',
    kind: 'data',
    remedy:
      '`fieldwatch metrics list` shows the names; temperature, humidity, pressure, battery and rssi are columns and stay',
  });

const APP_COLUMNS: readonly Column<StoredAppMetric>[] = [
  { title: 'time', value: (row) => row.time },
  { title: 'host', value: (row) => row.host },
  { title: 'metric', value: (row) => row.metric },
  { title: 'value', value: (row) => row.value },
  { title: 'tags', value: ({ tags }) => (Object.keys(tags).length === 0 ? null : JSON.stringify(tags)) },
];

interface AppOptions extends ListOptions {
  readonly name?: readonly string[];
  readonly host?: string;
  readonly tag?: readonly string[];
  readonly since: Moment;
  readonly until?: Moment;
}

const appCommand = (cli: Cli) =>
  withOutputOptions(
    subcommand(
      'app',
      'figures of programs (recordMetric) and of the daemon itself, newest first',
      'fieldwatch metrics app --name queue_length --tag queue=orders --since 1h',
    ),
  )
    .option('--name <name>', 'only this figure; may be repeated', repeated)
    .option('--host <host>', 'only of this host')
    .option('--tag <key=value>', 'only with this tag; may be repeated', repeated)
    .addOption(momentOption('--since <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d', '24h'))
    .option('--until <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d (default: now)', momentArgument)
    .addOption(limitOption(100))
    .action(
      onDatabase<AppOptions>(cli, async (db, options) => {
        const { name: metrics, host, tag } = options;
        const range = rangeOf(options, Date.now());
        const tags = tag === undefined ? undefined : tagsOf(tag);
        const rows = await limited(cli, options, (limit) =>
          appMetrics(db, { ...range, metrics, host, tags, limit }),
        );
        printRows(cli, APP_COLUMNS, rows, options);
        return 0;
      }),
    );

const tagsOf = (tags: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    tags.map((tag) => {
      const at = tag.indexOf('=');
      if (at <= 0) throw usage(`--tag ${tag}: expected key=value`);
      return [tag.slice(0, at), tag.slice(at + 1)];
    }),
  );

/** `fieldwatch metrics list|app|forget`. */
export const metricsCommand: CliCommand = (cli) =>
  subcommand('metrics', 'list and forget names of metrics; figures of programs', 'fieldwatch metrics list')
    .addCommand(listCommand(cli))
    .addCommand(appCommand(cli))
    .addCommand(forgetCommand(cli));
