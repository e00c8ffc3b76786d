import type { Command } from 'commander';
import { loadConfig } from '../../config/load.ts';
import { RuleSet } from '../../core/alert/rules/rule-set.ts';
import { FieldwatchError } from '../../core/errors.ts';
import type { Db, TimeRange } from '../../queries/db.ts';
import { sensorFacts } from '../../queries/sensors.ts';
import { type Moment, momentArgument, momentOption } from '../arguments.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  jsonOption,
  subcommand,
} from '../command.ts';
import { withDatabase } from '../database.ts';
import { printBacktest } from './backtest-report.ts';
import { runBacktest } from './backtest-run.ts';
import { loadRulesFile } from './rules-file.ts';

export interface RangeOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly sensor?: string;
  readonly location?: string;
  readonly since: Moment;
  readonly until?: Moment;
}

interface Options extends RangeOptions {
  readonly rules?: string;
  readonly episodes?: boolean;
}

const EXAMPLE = [
  'fieldwatch rules backtest --since 30d',
  'fieldwatch rules backtest --since 7d --rules new-alerts.yaml --episodes',
  'fieldwatch rules backtest --sensor coldroom-07 --json | jq \'select(.kind == "episode")\'',
].join('\n');

/** `fieldwatch rules backtest`: the episodes that rules would have given, before they go live. */
export const rulesBacktestCommand: CliCommand = (cli) =>
  withRange(
    subcommand('backtest', 'run rules over stored readings: the episodes they would have given', EXAMPLE),
  )
    .option('--rules <file>', 'a file of rules to set against those of the configuration')
    .option('--episodes', 'list every episode too')
    .action(cli.action((options: Options): Promise<ExitCode> => backtest(cli, options)));

/** The options that choose readings. */
export const withRange = (command: Command): Command =>
  command
    .addOption(momentOption('--since <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d', '30d'))
    .option('--until <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d (default: now)', momentArgument)
    .option('--sensor <key>', 'only this sensor')
    .option('--location <name>', 'only sensors of this location')
    .option(...configOption)
    .option(...jsonOption);

/** Nothing is expected of the future: no sensor is silent there. */
export function pastRange({ since, until }: RangeOptions, nowMs: number): TimeRange {
  const from = since(nowMs);
  const to = new Date(Math.min(until?.(nowMs).getTime() ?? nowMs, nowMs));
  if (from < to) return { from, to };
  throw new FieldwatchError(`--since ${from.toISOString()} is not before --until ${to.toISOString()}`, {
    code: 'USAGE',
    kind: 'config',
  });
}

/** The sensors of the selection; a name that fits none is a mistake and not an empty result. */
export async function chosenSensors(db: Db, { sensor, location }: RangeOptions) {
  const sensors = await sensorFacts(db, { sensor, location });
  if (sensors.length > 0 || (sensor === undefined && location === undefined)) return sensors;
  throw new FieldwatchError(`no registered sensor fits ${sensor ?? `location ${location ?? ''}`}`, {
    code: 'USAGE',
    kind: 'config',
    remedy: '`fieldwatch sensors list` shows them',
  });
}

async function backtest(cli: Cli, options: Options): Promise<ExitCode> {
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const ruleSets = [new RuleSet(config.alerts)];
  if (options.rules !== undefined) ruleSets.push(new RuleSet(loadRulesFile(options.rules)));
  const range = pastRange(options, Date.now());
  return withDatabase(cli, config, async (db): Promise<ExitCode> => {
    const sensors = await chosenSensors(db, options);
    const result = await runBacktest(cli, db, ruleSets, { ...range, sensors });
    printBacktest(cli, result, { ...range, json: options.json === true, list: options.episodes === true });
    return 0;
  });
}
