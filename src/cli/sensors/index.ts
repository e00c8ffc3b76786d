import type { Command } from 'commander';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema/index.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { metricUnit } from '../../core/metric-unit.ts';
import type { Db } from '../../queries/db.ts';
import { presentKeys, unknownSensor } from '../../queries/names.ts';
import { latestValues } from '../../queries/latest-values.ts';
import {
  type ExtraMetricRow,
  extraMetrics,
  listSensors,
  type SensorChange,
  type SensorRow,
  updateSensor,
} from '../../queries/sensors.ts';
import { momentArgument, repeated } from '../arguments.ts';
import { type Cli, type CliCommand, configOption, jsonOption, print, subcommand } from '../command.ts';
import { type DatabaseAccess, withDatabase } from '../database.ts';
import { type ReadOptions, onDatabase, withReadOptions } from '../read-command.ts';
import { jsonLine, limited, printRows, snakeCase } from '../output/rows.ts';
import { RULE_COLUMNS, type RuleField, sensorRules } from './rules.ts';
import { forgetCommand, mergeCommand, renameCommand } from './change.ts';
import { retireCommand } from './retire.ts';
import { type Column, cellText, tableLines } from '../output/table.ts';
import { createPaint, wantsColor } from '../output/terminal.ts';

const COLUMNS: readonly Column<SensorRow>[] = [
  { title: 'sensor', value: (row) => row.sensor },
  { title: 'name', value: (row) => row.name },
  { title: 'type', value: (row) => row.type },
  { title: 'location', value: (row) => row.location },
  { title: 'tags', value: (row) => row.tags },
  { title: 'last_reading', value: (row) => row.lastReading },
  { title: 'firing', value: (row) => row.firing },
];

interface ListOptions extends ReadOptions {
  readonly type?: string;
  readonly tag?: string;
}

const listCommand = (cli: Cli) =>
  withReadOptions(
    subcommand(
      'list',
      'registered sensors and when each last sent',
      'fieldwatch sensors list --location coldroom',
    ),
    '7d',
    1000,
  )
    .option('--type <name>', 'only sensors of this type')
    .option('--tag <name>', 'only sensors with this tag')
    .action(
      onDatabase<ListOptions>(cli, async (db, options) => {
        const since = options.since(Date.now());
        const rows = await limited(cli, options, (limit) => listSensors(db, { ...options, since, limit }));
        printRows(cli, COLUMNS, rows, options);
        return 0;
      }),
    );

interface OneOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** An action on one sensor, named by its key. */
const onSensor = <Options extends OneOptions>(
  cli: Cli,
  run: (db: Db, sensor: string, options: Options, config: Config) => Promise<void>,
  access: DatabaseAccess = {},
) =>
  cli.action(async (sensor: string, options: Options) => {
    const { config } = loadConfig({ file: options.config, env: cli.env });
    await withDatabase(cli, config, (db) => run(db, sensor, options, config), access);
    return 0;
  });

const showCommand = (cli: Cli) =>
  subcommand(
    'show',
    'one sensor: its metadata, its newest values, and its alert rules with the origin of each field',
    'fieldwatch sensors show coldroom-07',
  )
    .argument('<key>')
    .option(...configOption)
    .option(...jsonOption)
    .action(
      onSensor<OneOptions>(
        cli,
        async (db, given, options, config) => {
          const since = momentArgument('30d')(Date.now());
          const [sensor = given] = (await presentKeys(db, { sensor: given })) ?? [];
          const [row] = await listSensors(db, { sensor, since, limit: 1 });
          if (row === undefined) throw await unknownSensor(db, given);
          const metrics = await newestValues(db, row, since);
          const names = metrics.map(({ metric }) => metric);
          const rules = sensorRules(config.alerts, { ...row, key: row.sensor }, names);
          if (options.json === true) print(cli, jsonLine({ ...row, metrics, rules }));
          else printSensor(cli, row, metrics, rules);
        },
        { readsOnly: true },
      ),
    );

/** The newest value of each metric: those with a column of their own of the last readings, the others however old within `since`. */
async function newestValues(
  db: Db,
  { id, sensor, lastReading }: SensorRow,
  since: Date,
): Promise<readonly ExtraMetricRow[]> {
  const seen = { id, lastSeenMs: lastReading?.getTime() };
  const latest = (await latestValues(db, [seen], { nowMs: Date.now(), most: 0 })).get(id) ?? [];
  const core = latest.map(({ metric, value, time }) => ({
    metric,
    unit: metricUnit(metric) ?? null,
    time,
    value,
  }));
  return [...core, ...(await extraMetrics(db, { sensor, since }))];
}

function printSensor(
  cli: Cli,
  row: SensorRow,
  metrics: readonly ExtraMetricRow[],
  rules: readonly RuleField[],
): void {
  for (const [name, value] of Object.entries(row))
    print(cli, `${`${snakeCase(name)}:`.padEnd(13)} ${cellText(value)}`);
  const columns: readonly Column<ExtraMetricRow>[] = [
    { title: 'metric', value: ({ metric }) => metric },
    { title: 'value', value: ({ value }) => value },
    { title: 'unit', value: ({ metric, unit, value }) => unit ?? metricUnit(metric, Math.abs(value)) },
    { title: 'time', value: ({ time }) => time },
  ];
  const paint = createPaint(wantsColor(cli));
  if (metrics.length > 0) print(cli, `\n${tableLines(columns, metrics, paint).join('\n')}`);
  if (rules.length > 0) print(cli, `\n${tableLines(RULE_COLUMNS, rules, paint).join('\n')}`);
}

interface SetOptions extends OneOptions {
  readonly name?: string;
  readonly type?: string;
  readonly location?: string;
  readonly tag?: readonly string[];
  readonly gateway?: string;
  readonly clear?: readonly ('name' | 'type' | 'location' | 'tags' | 'gateway')[];
}

const setCommand = (cli: Cli): Command =>
  subcommand(
    'set',
    'change the metadata of a sensor; the daemon loads it at its next reload (SIGHUP)',
    'fieldwatch sensors set coldroom-07 --name "Door, left" --location coldroom --tag cold --tag door',
  )
    .argument('<key>')
    .option('--name <text>', 'name for people')
    .option('--type <text>', 'kind of sensor')
    .option('--location <text>', 'place')
    .option('--tag <text>', 'tag; give it again for more; replaces all tags', repeated)
    .option('--gateway <key>', 'the sensor that it sends through')
    .option('--clear <field>', 'name, type, location, tags or gateway; give it again for more', repeated)
    .option(...configOption)
    .option(...jsonOption)
    .action(
      onSensor<SetOptions>(cli, async (db, sensor, options) => {
        const changed = await updateSensor(db, sensor, changeOf(options));
        if (changed === undefined) throw await unknownSensor(db, sensor);
        if (changed.declared)
          cli.stderr.write(
            'fieldwatch: sensors.declare in the configuration sets this sensor again at every start\n',
          );
        if (options.json === true) print(cli, jsonLine(changed));
        else
          for (const [name, value] of Object.entries(changed))
            print(cli, `${`${name}:`.padEnd(10)} ${cellText(value)}`);
      }),
    );

function changeOf({ name, type, location, tag, gateway, clear = [] }: SetOptions): SensorChange {
  const suspicious = clear.find((field) => !['name', 'type', 'location', 'tags', 'gateway'].includes(field));
  const change: SensorChange = {
    ...(clear.includes('name') ? { name: null } : name === undefined ? {} : { name }),
    ...(clear.includes('type') ? { type: null } : type === undefined ? {} : { type }),
    ...(clear.includes('location') ? { location: null } : location === undefined ? {} : { location }),
    ...(clear.includes('tags') ? { tags: [] } : tag === undefined ? {} : { tags: tag }),
    ...(clear.includes('gateway') ? { gateway: null } : gateway === undefined ? {} : { gateway }),
  };
  if (suspicious === undefined && Object.keys(change).length > 0) return change;
  const fault = suspicious === undefined ? 'nothing to change' : `--clear ${suspicious}: no such field`;
  throw new FieldwatchError(`${fault}; expected --name, --type, --location, --tag, --gateway or --clear`, {
    code: 'USAGE',
    kind: 'config',
  });
}

/** `fieldwatch sensors list|show|set|rename|merge|forget|retire`. */
export const sensorsCommand: CliCommand = (cli) =>
  subcommand(
    'sensors',
    'list, show, describe, rename, merge, forget and retire sensors',
    'fieldwatch sensors list',
  )
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(setCommand(cli))
    .addCommand(renameCommand(cli))
    .addCommand(mergeCommand(cli))
    .addCommand(forgetCommand(cli))
    .addCommand(retireCommand(cli));
