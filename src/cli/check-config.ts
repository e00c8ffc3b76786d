import { ConfigError, formatFault } from '../config/fault.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { summarize } from '../config/summary.ts';
import { warningsOf } from '../config/warnings.ts';
import { counted } from '../core/counted.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  jsonOption,
  print,
  subcommand,
} from './command.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

/** `fieldwatch check-config`: all faults of a configuration at once, needing neither broker nor database. */
export const checkConfigCommand: CliCommand = (cli) =>
  subcommand(
    'check-config',
    'report every fault of a configuration at once, with line and column; exit 2 if there is one',
    'fieldwatch check-config -c /etc/fieldwatch/fieldwatch.yaml',
  )
    .option(...configOption)
    .option(...jsonOption)
    .action(cli.action((options: Options) => checkConfig(cli, options)));

async function checkConfig(cli: Cli, { config: file, json }: Options): Promise<ExitCode> {
  let loaded: LoadedConfig;
  try {
    loaded = loadConfig({ file, env: cli.env });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (json === true) print(cli, JSON.stringify({ ok: false, faults: error.faults }));
    else reportFaults(cli, error);
    return 2;
  }
  if (loaded.config.http.token_file !== undefined) {
    const { readTokenFile } = await import('../app/token-file.ts');
    readTokenFile(loaded.config);
  }
  const summary = summarize(loaded);
  const used = loaded.located?.file ?? null;
  if (json === true) {
    const warnings = warningsOf(loaded.config);
    print(cli, JSON.stringify({ ok: true, file: used, by: loaded.located?.by ?? null, summary, warnings }));
    return 0;
  }
  const { routes, rules, policies, sensors, broker, database } = summary;
  print(cli, `config ok: ${used ?? 'no file, all defaults'}`);
  print(cli, `  routes ${routes}, rules ${rules}, policies ${policies}, declared sensors ${sensors}`);
  print(cli, `  broker ${broker}, database ${database}`);
  for (const warning of warningsOf(loaded.config)) cli.stderr.write(`fieldwatch: warning: ${warning}\n`);
  return 0;
}

function reportFaults(cli: Cli, error: ConfigError): void {
  for (const fault of error.faults) print(cli, formatFault(fault));
  cli.stderr.write(`fieldwatch: ${counted(error.faults.length, 'fault')}\n`);
}
