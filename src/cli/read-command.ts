import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import type { Db, Limited, Selection, TimeRange } from '../queries/db.ts';
import { type Moment, momentArgument, momentOption, numeric } from './arguments.ts';
import { type Cli, type ExitCode, configOption, jsonOption, usage } from './command.ts';
import { type DatabaseAccess, withDatabase } from './database.ts';
import { csvOption } from './rows.ts';
import { reportUnknownNames } from './unknown-names.ts';

/** Options of every command that reads the database. */
export interface ReadOptions extends Selection, Limited {
  readonly config?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly since: Moment;
  readonly until?: Moment;
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
    .option('--sensor <key>', 'only this sensor')
    .option('--location <name>', 'only sensors of this location')
    .addOption(momentOption('--since <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d', since))
    .option('--until <when>', 'timestamp or duration, e.g. 2026-01-01 or 30d (default: now)', momentArgument)
    .option('--limit <n>', 'rows at most', numeric(1, 100_000), limit);
}

export const withOutputOptions = (command: Command): Command =>
  command
    .option(...configOption)
    .option(...jsonOption)
    .addOption(csvOption());

interface NamedOptions extends Selection {
  readonly config?: string;
  readonly metric?: string;
}

/** An action that loads the configuration and has the database for as long as it runs. */
export const onDatabase = <Options extends NamedOptions>(
  cli: Cli,
  run: (db: Db, options: Options) => Promise<ExitCode>,
  access: DatabaseAccess = { readsOnly: true },
) =>
  cli.action(async (options: Options): Promise<ExitCode> => {
    const { config } = loadConfig({ file: options.config, env: cli.env });
    return withDatabase(
      cli,
      config,
      async (db) => {
        const code = await run(db, options);
        await reportUnknownNames(cli, db, options);
        return code;
      },
      access,
    );
  });
