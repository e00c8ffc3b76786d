import { loadConfig } from '../../config/load.ts';
import { declaredFacts } from '../../config/schema/declared.ts';
import { RuleSet } from '../../core/alert/rules/rule-set.ts';
import { overrideConflicts } from '../../core/alert/rules/validate.ts';
import { plainText } from '../../core/printable.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  jsonOption,
  print,
  subcommand,
} from '../command.ts';
import { loadRulesFile } from './rules-file.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

const EXAMPLE = [
  'fieldwatch rules check -c /etc/fieldwatch/fieldwatch.yaml',
  'fieldwatch rules check alerts.yaml',
].join('\n');

/** `fieldwatch rules check`: faults of the rules alone, and of rules that meet in a declared sensor. */
export const rulesCheckCommand: CliCommand = (cli) =>
  subcommand('check', 'check alert rules, also where several meet in a declared sensor', EXAMPLE)
    .argument('[file]', 'a file of rules, instead of those of the configuration')
    .option(...configOption)
    .option(...jsonOption)
    .action(
      cli.action(async (file: string | undefined, options: Options): Promise<ExitCode> =>
        check(cli, file, options),
      ),
    );

function check(cli: Cli, file: string | undefined, { config: configFile, json }: Options): ExitCode {
  const { config } = loadConfig({ file: configFile, env: cli.env });
  const alerts = file === undefined ? config.alerts : loadRulesFile(file);
  const rules = new RuleSet(alerts);
  const declared = declaredFacts(config);
  const findings = overrideConflicts(alerts, declared).map(({ sensors, message }) => ({ sensors, message }));
  const metrics = Object.keys(alerts.metrics).length;
  const watched = declared.filter((sensor) => rules.rulesFor(sensor).named.length > 0).length;
  const figures = { metrics, overrides: alerts.overrides.length, declared: declared.length, watched };
  if (json === true) {
    print(cli, JSON.stringify({ ok: findings.length === 0, ...figures, findings }));
    return findings.length === 0 ? 0 : 1;
  }
  for (const { message } of findings) print(cli, plainText(message));
  if (findings.length === 0) print(cli, 'rules ok');
  print(
    cli,
    `  metrics ${metrics}, overrides ${figures.overrides}, declared sensors with rules ${watched} of ${declared.length}`,
  );
  return findings.length === 0 ? 0 : 1;
}
