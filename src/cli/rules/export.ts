import { Option } from 'commander';
import { stringify } from 'yaml';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema/index.ts';
import { ALERT_STATE, prometheusRules } from '../../core/alert/analysis/prometheus-rules.ts';
import { counted } from '../../core/counted.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { plainText } from '../../core/printable.ts';
import {
  type Cli,
  type CliCommand,
  type ExitCode,
  configOption,
  print,
  subcommand,
  usage,
} from '../command.ts';
import { loadRulesFile } from './rules-file.ts';

interface Options {
  readonly config?: string;
  readonly prometheus?: boolean;
}

const EXAMPLE = [
  'fieldwatch rules export --prometheus -c /etc/fieldwatch/fieldwatch.yaml > /etc/prometheus/fieldwatch-alerts.yml',
  'promtool check rules /etc/prometheus/fieldwatch-alerts.yml',
].join('\n');

/** `fieldwatch rules export`. */
export const rulesExportCommand: CliCommand = (cli) =>
  subcommand('export', 'alert rules for another system: those of Prometheus', EXAMPLE)
    .argument('[file]', 'a file of rules, instead of those of the configuration')
    .addOption(
      new Option(
        '--prometheus',
        'alerting rules that follow the open alerts at /metrics, as YAML',
      ).makeOptionMandatory(),
    )
    .option(...configOption)
    .action(
      cli.action(async (file: string | undefined, options: Options): Promise<ExitCode> =>
        exportRules(cli, file, options),
      ),
    );

function exportRules(cli: Cli, file: string | undefined, { config: configFile }: Options): ExitCode {
  const { config } = loadConfig({ file: configFile, env: cli.env });
  requireSeries(config);
  const alerts = file === undefined ? config.alerts : loadRulesFile(file);
  const { rules, omitted } = prometheusRules(alerts);
  if (rules.length === 0)
    throw usage('there are no alert rules', 'alerts.metrics in the configuration has them');
  const notes = [
    `${counted(rules.length, 'rule')}. They follow the open alerts that the daemon exports (${ALERT_STATE}): /metrics has no values of`,
    'sensors, so none of the rules is evaluated by Prometheus itself. Their delays, hysteresis and levels are those of fieldwatch.',
    'What fieldwatch does not notify (silences, maintenance, inhibition, acknowledgements) is firing here: Alertmanager has its own.',
    'Alerts of the system (policy_...) are not among them: fieldwatch_policy_findings has those.',
    ...omitted,
  ].map(plainText);
  print(cli, notes.map((note) => `# ${note}`).join('\n'));
  print(cli, stringify({ groups: [{ name: 'fieldwatch-alerts', rules }] }, { lineWidth: 0 }).trimEnd());
  for (const note of notes) cli.stderr.write(`fieldwatch: ${note}\n`);
  return 0;
}

/** Rules on series that no daemon exports would never fire. */
function requireSeries({ http }: Config): void {
  if (http.enabled && http.alert_series > 0) return;
  throw new FieldwatchError(
    `no rule can be expressed: open alerts are not exported (${http.enabled ? 'http.alert_series: 0' : 'http.enabled: false'})`,
    {
      code: 'USAGE',
      kind: 'config',
      remedy: 'Set http.alert_series to as many open alerts as there may be at once.',
    },
  );
}
