import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema/index.ts';
import type { Db, Selection, TimeRange } from '../queries/db.ts';
import { presentKeys } from '../queries/names.ts';
import {
  type Moment,
  type RowLimit,
  limitOption,
  momentArgument,
  momentOption,
  repeated,
} from './arguments.ts';
import { type Cli, type ExitCode, configOption, jsonOption, usage } from './command.ts';
import { type DatabaseAccess, withDatabase } from './database.ts';
import { csvOption } from './output/rows.ts';

/** Options of every command that reads the database. */
export interface ReadOptions extends Selection {
  readonly config?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly since: Moment;
  readonly until?: Moment;
  readonly limit: RowLimit;
}

/** Clocks of devices run ahead now and then: "until now" takes them in. */
const AHEAD_MS = 3_600_000;

export function rangeOf(options: Pick<ReadOptions, 'since' | 'until'>, nowMs: number): TimeRange {
  const from = options.since(nowMs);
  const to = options.until?.(nowMs) ?? new Date(nowMs + AHEAD_MS);
  if (from < to) return { from, to };
  throw usage(`--since ${from.toISOString()} is not before --until ${to.toISOString()}`);
}

/** Adds the options of a read command: which sensors, how far back, how many rows, in which form. */
export function withReadOptions(command: Command, since: string, limit = 100): Command {
  return withOutputOptions(command)
    .option('--sensor <key>', 'only this sensor; may be repeated', repeated)
    .option('--location <name>', 'only sensors of this location')
    .addOption(momentOption('--since <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d', since))
    .option('--until <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d (default: now)', momentArgument)
    .addOption(limitOption(limit));
}

export const withOutputOptions = (command: Command): Command =>
  command
    .option(...configOption)
    .option(...jsonOption)
    .addOption(csvOption());

interface NamedOptions extends Selection {
  readonly config?: string;
  readonly metric?: string | readonly string[];
}

interface Access extends DatabaseAccess {
  /** Subjects of system alerts may be named as a sensor. */
  readonly subjects?: boolean;
}

/**
 * An action that loads the configuration and has the database for as long as it runs. A sensor, location or metric that does not exist is an
 * error; a former key stands for the present one.
 */
export const onDatabase = <Options extends NamedOptions>(
  cli: Cli,
  run: (db: Db, options: Options, config: Config) => Promise<ExitCode>,
  access: Access = { readsOnly: true },
) =>
  cli.action(async (options: Options): Promise<ExitCode> => {
    const { config } = loadConfig({ file: options.config, env: cli.env });
    return withDatabase(
      cli,
      config,
      async (db) => {
        const sensor = await presentKeys(db, options, access);
        return run(db, sensor === undefined ? options : { ...options, sensor }, config);
      },
      access,
    );
  });
