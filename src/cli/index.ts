import type { CliCommand } from './command.ts';

/** Every command, in the order of the help. A new command is one file and one line here. */
export const COMMANDS: readonly CliCommand[] = [];
