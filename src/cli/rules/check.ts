import { loadConfig } from '../../config/index.ts';
import { checkSensor } from '../../core/alert/check.ts';
import { matchingOverrides, type SensorFacts } from '../../core/alert/effective.ts';
import { RuleSet } from '../../core/alert/rules.ts';
import {
  configOption,
  jsonOption,
  print,
  subcommand,
  type Cli,
  type CliCommand,
  type ExitCode,
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
  const declared = Object.entries(config.sensors.declare).map(
    ([key, { type, location, tags }], index): SensorFacts => ({
      id: index + 1,
      key,
      type: type ?? null,
      location: location ?? null,
      tags,
    }),
  );
  const meetings = declared.flatMap((sensor) =>
    checkSensor(alerts, matchingOverrides(alerts, sensor)).map(({ message }) => ({
      sensor: sensor.key,
      message,
    })),
  );
  const metrics = Object.keys(alerts.metrics).length;
  const watched = declared.filter((sensor) => rules.rulesFor(sensor).named.length > 0).length;
  const figures = { metrics, overrides: alerts.overrides.length, declared: declared.length, watched };
  if (json === true) {
    print(cli, JSON.stringify({ ok: meetings.length === 0, ...figures, findings: meetings }));
    return meetings.length === 0 ? 0 : 1;
  }
  for (const { sensor, message } of meetings) print(cli, `${sensor}: ${message}`);
  if (meetings.length === 0) print(cli, 'rules ok');
  print(
    cli,
    `  metrics ${metrics}, overrides ${figures.overrides}, declared sensors with rules ${watched} of ${declared.length}`,
  );
  return meetings.length === 0 ? 0 : 1;
}
