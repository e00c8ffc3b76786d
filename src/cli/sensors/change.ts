import type { Command } from 'commander';
import { type SensorAccount, type SensorRequest, changeSensors } from '../../app/operator/change-sensors.ts';
import { loadConfig } from '../../config/load.ts';
import { counted } from '../../core/counted.ts';
import { plainText } from '../../core/printable.ts';
import { operatorName } from '../alerts/ack.ts';
import { type Cli, type ExitCode, configOption, jsonOption, print, subcommand } from '../command.ts';
import { withDatabaseUrl } from '../database.ts';
import { formatTime } from '../output/format.ts';

interface ChangeOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly by?: string;
}

const withOptions = (command: Command) =>
  command
    .option('--yes', 'do it; without it, only print what would be done')
    .option('--by <name>', 'who asks for it (default: the name of this user)')
    .option(...configOption)
    .option(...jsonOption);

export const forgetCommand = (cli: Cli): Command =>
  withOptions(
    subcommand(
      'forget',
      'delete sensors with all their readings and alerts; without --yes only count them',
      'fieldwatch sensors forget test-1 test-2 --yes',
    ).argument('<keys...>'),
  )
    .addHelpText(
      'after',
      '\nOpen alerts are closed by hand, with a line and a notification. A running daemon goes on: a sensor that sends again\n' +
        'is registered anew, without a past. See sensors.allow for keeping it out.\n',
    )
    .action(
      cli.action((keys: readonly string[], options: ChangeOptions) =>
        change(
          cli,
          keys.map((key) => ({ kind: 'forget', key })),
          options,
        ),
      ),
    );

export const renameCommand = (cli: Cli): Command =>
  withOptions(
    subcommand(
      'rename',
      'give a sensor another key; readings, alerts and silences stay with it',
      'fieldwatch sensors rename 0xa4c1 coldroom-07 --yes',
    )
      .argument('<old>')
      .argument('<new>'),
  )
    .addHelpText('after', '\nWhat arrives under the old key later is stored for this sensor.\n')
    .action(
      cli.action((key: string, target: string, options: ChangeOptions) =>
        change(cli, [{ kind: 'rename', key, target }], options),
      ),
    );

export const mergeCommand = (cli: Cli): Command =>
  withOptions(
    subcommand(
      'merge',
      'move all readings and alerts of a sensor to another one; the first is gone then',
      'fieldwatch sensors merge coldroom-7 coldroom-07 --yes',
    )
      .argument('<old>')
      .argument('<new>'),
  )
    .addHelpText(
      'after',
      '\nWhere both have a reading of one time, that of <new> stays; what differs of <old> is one dead letter (merge_conflict), which keeps the first 500 rows.\n' +
        'Open alerts of <old> are closed by hand. What arrives under the old key later is stored for <new>.\n',
    )
    .action(
      cli.action((key: string, target: string, options: ChangeOptions) =>
        change(cli, [{ kind: 'merge', key, target }], options),
      ),
    );

async function change(cli: Cli, all: readonly SensorRequest[], options: ChangeOptions): Promise<ExitCode> {
  const { config } = loadConfig({ file: options.config, env: cli.env });
  const stop = new AbortController();
  void cli.interrupted.then(() => stop.abort());
  const note = (line: string) => cli.stderr.write(`fieldwatch: ${line}\n`);
  return withDatabaseUrl<ExitCode>(
    cli,
    config,
    async (url) => {
      const by = options.yes === true ? operatorName(cli, options.by) : undefined;
      const deps = { config, url, purpose: 'sensors', signal: stop.signal, note };
      for await (const account of changeSensors(all, by, deps)) show(cli, account, options);
      return 0;
    },
    { refuseNewer: true },
  );
}

function show(cli: Cli, account: SensorAccount, { json }: ChangeOptions): void {
  if (json === true) return print(cli, JSON.stringify(account));
  for (const line of accountLines(account)) print(cli, plainText(line));
}

/** The report as text; pure. */
export function accountLines(account: SensorAccount): readonly string[] {
  const { kind, key, target, done, first, last, closedAlerts, aliases } = account;
  const would = done ? '' : 'would be ';
  const span = first === null || last === null ? '' : `, ${formatTime(first)} to ${formatTime(last)}`;
  const values = account.values === 0 ? '' : ` and ${counted(account.values, 'value')} of further metrics`;
  const chunks =
    account.compressedChunks === 0
      ? ''
      : `, some in ${counted(account.compressedChunks, 'compressed chunk')}`;
  const fate = kind === 'forget' ? 'deleted' : kind === 'merge' ? `moved to ${target}` : 'kept';
  const lines = [
    `${key}: sensor ${would}${kind === 'forget' ? 'forgotten' : `${kind}d ${kind === 'merge' ? 'into' : 'to'} ${target}`}`,
    `  ${counted(account.readings, 'reading')}${values} ${would}${fate}${span}${chunks}`,
    `  ${counted(account.alerts, 'alert row')} ${would}${fate}`,
  ];
  if (kind === 'merge')
    lines.push(
      `  ${counted(account.conflicts, 'row')} of a time at which ${target} has other values ${would}kept as one dead letter (merge_conflict, the first 500 of them)`,
    );
  if (kind !== 'rename') lines.push(`  ${counted(closedAlerts, 'open alert')} ${would}closed by hand`);
  if (account.silences > 0)
    lines.push(
      kind === 'forget'
        ? `  ${counted(account.silences, 'silence')} of this key alone: left as it is, see \`alerts silence list\``
        : `  ${counted(account.silences, 'silence')} of this key ${would}changed to ${target}`,
    );
  if (aliases.length > 0) lines.push(`  former keys: ${aliases.join(', ')}`);
  lines.push(
    kind === 'forget'
      ? '  a later message of it registers it anew, without a past'
      : `  later messages of ${key} are stored for ${target}`,
  );
  if (!done) lines.push('  --yes does it');
  return lines;
}
