import type { Command } from 'commander';
import { createSystemClock } from '../../adapters/system/clock.ts';
import { loadConfig } from '../../config/load.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { pollUntil } from '../../lib/sleep.ts';
import {
  type AlertName,
  OUTCOME_POLL_MS,
  type OpenAlert,
  askFor,
  findOpenAlert,
  outcomeOf,
} from '../../queries/alerts.ts';
import type { Db } from '../../queries/db.ts';
import { isAlertId, wholeAlertId } from './id-argument.ts';
import { durationArgument, durationOption } from '../arguments.ts';
import { type Cli, type ExitCode, configOption, jsonOption, print, subcommand, usage } from '../command.ts';
import { withDatabase } from '../database.ts';
import { formatTime } from '../output/format.ts';
import { jsonLine } from '../output/rows.ts';
import { type Zone, zoneOf } from '../zone.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly by?: string;
  readonly comment: string;
  readonly wait: number | false;
  readonly for?: number;
}

/** `fieldwatch alerts ack`: marks an alert as acknowledged. */
export const alertsAckCommand = (cli: Cli): Command =>
  request(
    cli,
    'ack',
    subcommand(
      'ack',
      'acknowledge an open alert: no more reminders, until it escalates; a latched one resolves when it is clear',
      'fieldwatch alerts ack coldroom-07 temperature_high --by ann --comment "door was open"\n' +
        'fieldwatch alerts ack 7b0e3c52 --for 4h',
    ).option(
      '--for <duration>',
      'how long; then it is reminded again (default: while it is open)',
      durationArgument,
    ),
  );

/** `fieldwatch alerts resolve`: closes an alert whatever its value is. */
export const alertsResolveCommand = (cli: Cli): Command =>
  request(
    cli,
    'resolve',
    subcommand(
      'resolve',
      'close an open alert by hand (reason manual); it fires again only after its condition was seen false',
      'fieldwatch alerts resolve coldroom-07 temperature_high --by ann --comment "sensor was replaced"',
    ),
  );

/** The operator's name: `--by`, otherwise the user of the environment. */
export const operatorName = (cli: Pick<Cli, 'env'>, by: string | undefined): string =>
  by ?? cli.env.USER ?? cli.env.LOGNAME ?? 'operator';

const request = (cli: Cli, kind: 'ack' | 'resolve', command: Command): Command =>
  command
    .argument('<alert>', 'the alert_id or its first digits, or the key of the sensor')
    .argument('[alert_type]', 'the type of the alert, after the key of a sensor')
    .option('--by <name>', 'who (default: $USER)')
    .option('--comment <text>', 'why', '')
    .addOption(durationOption('--wait <duration>', 'how long to wait for the daemon', '10s'))
    .option('--no-wait', 'only queue the command for the daemon')
    .option(...configOption)
    .option(...jsonOption)
    .action(
      cli.action(
        async (alert: string, alertType: string | undefined, options: Options): Promise<ExitCode> => {
          const name = nameOf(alert, alertType);
          const { config } = loadConfig({ file: options.config, env: cli.env });
          return withDatabase(
            cli,
            config,
            (db) => ask(cli, db, { kind, name, zone: zoneOf(config, {}) }, options),
            { refuseNewer: true },
          );
        },
      ),
    );

function nameOf(alert: string, alertType: string | undefined): AlertName {
  if (alertType !== undefined) return { sensor: alert, alertType };
  if (isAlertId(alert)) return { alertId: alert };
  throw usage(
    `"${alert}" is no alert_id; expected one or its first digits, or a sensor's key and an alert type`,
    '`fieldwatch alerts list --open` shows both',
  );
}

async function ask(
  cli: Cli,
  db: Db,
  { kind, name, zone }: { readonly kind: 'ack' | 'resolve'; readonly name: AlertName; readonly zone: Zone },
  options: Options,
): Promise<ExitCode> {
  const by = operatorName(cli, options.by);
  const named = 'alertId' in name ? { alertId: await wholeAlertId(db, name.alertId) } : name;
  const alert = await findOpenAlert(db, named);
  if (alert === undefined)
    throw notOpen('alertId' in name ? name.alertId : `${name.sensor} ${name.alertType}`);
  const { id, endsAt } = await askFor(db, alert, { kind, by, comment: options.comment, forMs: options.for });
  const outcome =
    options.wait === false
      ? null
      : await pollUntil(createSystemClock(), { everyMs: OUTCOME_POLL_MS, withinMs: options.wait }, () =>
          outcomeOf(db, id),
        );
  if (options.json === true) print(cli, jsonLine({ ...alert, command: kind, by, until: endsAt, outcome }));
  else print(cli, ackSentence(kind, alert, { outcome, endsAt }, zone));
  if (outcome === null && options.wait !== false)
    cli.stderr.write('fieldwatch: no daemon has executed it yet; it is executed as soon as one runs\n');
  return outcome === 'not_open' ? 1 : 0;
}

/** Outcome of an acknowledgement; one that ends says when. */
export function ackSentence(
  kind: 'ack' | 'resolve',
  { sensor, alertType }: Pick<OpenAlert, 'sensor' | 'alertType'>,
  { outcome, endsAt }: { readonly outcome: string | null; readonly endsAt: Date | null },
  zone?: Zone,
): string {
  const about = `${sensor} ${alertType}`;
  const until = endsAt === null ? '' : ` until ${formatTime(endsAt, zone)}`;
  switch (outcome) {
    case 'done':
      return kind === 'ack' ? `acknowledged${until}: ${about}` : `resolved: ${about}`;
    case 'already':
      return `was acknowledged before: ${about}`;
    case 'not_open':
      return `not open any more: ${about}`;
    case null:
    default:
      return `left for the daemon: ${kind}${until} ${about}`;
  }
}

const notOpen = (what: string) =>
  new FieldwatchError(`no open alert: ${what}`, {
    code: 'ALERT_NOT_OPEN',
    kind: 'data',
    remedy: '`fieldwatch alerts list --open` shows what is open',
  });
