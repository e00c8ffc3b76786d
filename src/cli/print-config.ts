import { loadConfig } from '../config/load.ts';
import { SEARCH_PATHS } from '../config/locate.ts';
import { printConfig, usedFile } from '../config/print.ts';
import { type CliCommand, type ExitCode, configOption, jsonOption, print, subcommand } from './command.ts';

interface Options {
  readonly config?: string;
  readonly sources?: boolean;
  readonly json?: boolean;
}

/** `fieldwatch print-config`: the effective configuration after file, environment and defaults; secrets are masked. */
export const printConfigCommand: CliCommand = (cli) =>
  subcommand(
    'print-config',
    'print the configuration in effect as YAML, secrets masked',
    'fieldwatch print-config --sources',
  )
    .option(...configOption)
    .option('--sources', 'show where each value comes from')
    .option(...jsonOption)
    .addHelpText(
      'after',
      `\nThe file is the first of: --config, FIELDWATCH_CONFIG, ${SEARCH_PATHS.join(', ')}, the packaged default.`,
    )
    .action(
      cli.action(async ({ config: file, sources, json }: Options): Promise<ExitCode> => {
        const loaded = loadConfig({ file, env: cli.env });
        if (cli.stdout.isTTY !== true) cli.stderr.write(`fieldwatch: ${usedFile(loaded)}\n`);
        print(cli, printConfig(loaded, { sources, json }));
        return 0;
      }),
    );
