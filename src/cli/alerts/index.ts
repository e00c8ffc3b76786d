import { alertsAckCommand, alertsResolveCommand } from './ack.ts';
import { alertsKpiCommand } from './kpi.ts';
import { alertsListCommand } from './list.ts';
import { alertsShowCommand } from './show.ts';
import { alertsSilenceCommand } from './silence.ts';
import { alertsTailCommand } from './tail.ts';
import { type CliCommand, subcommand } from '../command.ts';

/** `fieldwatch alerts list|show|tail|ack|resolve|silence|kpi`. */
export const alertsCommand: CliCommand = (cli) =>
  subcommand(
    'alerts',
    'list, watch, acknowledge and silence alerts, and measure how well the rules work',
    'fieldwatch alerts tail -f',
  )
    .addCommand(alertsListCommand(cli))
    .addCommand(alertsShowCommand(cli))
    .addCommand(alertsTailCommand(cli))
    .addCommand(alertsAckCommand(cli))
    .addCommand(alertsResolveCommand(cli))
    .addCommand(alertsSilenceCommand(cli))
    .addCommand(alertsKpiCommand(cli));
