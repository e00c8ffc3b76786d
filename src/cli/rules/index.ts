import { Command } from 'commander';
import type { CliCommand } from '../command.ts';
import { rulesCheckCommand } from './check.ts';
import { rulesTestCommand } from './test.ts';

/** `fieldwatch rules`: looking at alert rules before they are live, needing neither broker nor database. */
export const rulesCommand: CliCommand = (cli) => {
  const command = new Command('rules')
    .summary('check and test alert rules')
    .description('check and test alert rules');
  for (const subcommand of [rulesCheckCommand, rulesTestCommand]) command.addCommand(subcommand(cli));
  return command;
};
