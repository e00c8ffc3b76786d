import { silentLogger } from '../adapters/log/logger.ts';
import { createSystemClock } from '../adapters/system/clock.ts';
import { migrateDatabase } from '../adapters/timescale/migrate/migrate.ts';
import { type MigrationStatus, status } from '../adapters/timescale/migrate/migration-status.ts';
import { createPool, endPool } from '../adapters/timescale/connection/pool.ts';
import { databaseOptions } from '../app/options.ts';
import { loadConfig } from '../config/load.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  jsonOption,
  print,
  subcommand,
} from './command.ts';
import { withDatabaseUrl } from './database.ts';

interface MigrateOptions {
  readonly config?: string;
  readonly status?: boolean;
  readonly json?: boolean;
}

/** `fieldwatch migrate`: brings the schema up to date, or prints its version. */
export const migrateCommand: CliCommand = (cli) =>
  subcommand('migrate', 'bring the database schema up to date', 'fieldwatch migrate --status')
    .option(...configOption)
    .option('--status', 'change nothing; exit 1 when migrations are pending')
    .option(...jsonOption)
    .action(cli.action((options: MigrateOptions) => migrate(cli, options)));

async function migrate(cli: Cli, options: MigrateOptions): Promise<ExitCode> {
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const migrateOrReport = async (url: string): Promise<ExitCode> => {
    const database = databaseOptions(config, url, 'migrate');
    if (options.status === true) {
      const pool = await createPool({ ...database, max: 1 }, silentLogger);
      try {
        return report(cli, await status(pool), options.json === true);
      } finally {
        await endPool(pool, createSystemClock());
      }
    }
    const result = await migrateDatabase(database, {
      log: {
        info: ({ migration }, message) =>
          cli.stderr.write(`${typeof migration === 'string' ? `applied ${migration}` : message}\n`),
      },
    });
    if (options.json === true) print(cli, JSON.stringify(result));
    else if (result.applied.length === 0) print(cli, `schema is up to date: version ${result.to}`);
    else print(cli, `schema brought from version ${result.from} to ${result.to}`);
    return 0;
  };
  return withDatabaseUrl(cli, config, migrateOrReport, { mayCreate: options.status !== true });
}

function report(cli: Cli, found: MigrationStatus, json: boolean): ExitCode {
  if (json) print(cli, JSON.stringify(found));
  else {
    for (const { version, name, state, appliedAt } of found.entries) {
      const when = appliedAt === null ? '' : `  ${appliedAt.toISOString()}`;
      print(cli, `${String(version).padStart(4, '0')}  ${state.padEnd(8)}  ${name}${when}`);
    }
  }
  return found.entries.every(({ state }) => state === 'applied') ? 0 : 1;
}
