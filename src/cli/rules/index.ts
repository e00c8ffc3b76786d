import { subcommand, type CliCommand } from '../command.ts';
import { rulesCheckCommand } from './check.ts';
import { rulesTestCommand } from './test.ts';

/** `fieldwatch rules`: looking at alert rules before they are live, needing neither broker nor database. */
export const rulesCommand: CliCommand = (cli) =>
  subcommand(
    'rules',
    'check and test alert rules, with neither broker nor database',
    'fieldwatch rules test rules/',
  )
    .addCommand(rulesCheckCommand(cli))
    .addCommand(rulesTestCommand(cli));
