import type { Command } from 'commander';
import type { RetiredSensor } from '../../adapters/timescale/ingest/sensor-retirement.ts';
import { changeRetirement } from '../../app/operator/retire-sensors.ts';
import { loadConfig } from '../../config/load.ts';
import { counted } from '../../core/counted.ts';
import { plainText } from '../../core/printable.ts';
import { operatorName } from '../alerts/ack.ts';
import { type Cli, type ExitCode, configOption, jsonOption, print, subcommand } from '../command.ts';
import { withDatabaseUrl } from '../database.ts';
import { jsonLine } from '../output/rows.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly by?: string;
  readonly untilSeen?: boolean;
  readonly undo?: boolean;
}

export const retireCommand = (cli: Cli): Command =>
  subcommand(
    'retire',
    'end the alerts of sensors and expect nothing of them any more; their data stays',
    'fieldwatch sensors retire coldroom-07 --until-seen --yes',
  )
    .argument('<keys...>')
    .option('--until-seen', 'their next reading brings them back')
    .option('--undo', 'bring them back now')
    .option('--yes', 'do it; without it, only print what would be done')
    .option('--by <name>', 'who asks for it (default: the name of this user)')
    .option(...configOption)
    .option(...jsonOption)
    .addHelpText(
      'after',
      '\nOpen alerts end with reason retired, with a line and a notification. What a retired sensor sends is stored, and no rule applies to it.\n',
    )
    .action(cli.action((keys: readonly string[], options: Options) => retire(cli, keys, options)));

async function retire(cli: Cli, keys: readonly string[], options: Options): Promise<ExitCode> {
  const { untilSeen = false, undo = false, yes = false } = options;
  const { config } = loadConfig({ file: options.config, env: cli.env });
  return withDatabaseUrl<ExitCode>(
    cli,
    config,
    async (url) => {
      const by = yes ? operatorName(cli, options.by) : undefined;
      const deps = { config, url, purpose: 'sensors' };
      for (const each of await changeRetirement({ keys, untilSeen, undo }, by, deps))
        print(cli, options.json === true ? jsonLine({ ...each, done: yes }) : plainText(lineOf(each, yes)));
      if (!yes && options.json !== true) print(cli, '--yes does it');
      return 0;
    },
    { refuseNewer: true },
  );
}

/** The report as text; pure. */
export function lineOf(
  { key, retired, untilSeen, closedAlerts, changed }: RetiredSensor,
  done: boolean,
): string {
  const state = retired ? (untilSeen ? 'retired until its next reading' : 'retired') : 'in use';
  if (!changed) return `${key}: ${state} already`;
  const would = done ? '' : 'would be ';
  const alerts = retired ? `, ${counted(closedAlerts, 'open alert')} ${would}ended` : '';
  return `${key}: ${would}${state}${alerts}`;
}
