import type { CliCommand } from './command.ts';
import { demoCommand } from './demo.ts';
import { migrateCommand } from './migrate.ts';
import { runCommand } from './run.ts';
import { simulateCommand } from './simulate.ts';

/** Every command, in the order of the help. A new command is one file and one line here. */
export const COMMANDS: readonly CliCommand[] = [runCommand, demoCommand, simulateCommand, migrateCommand];
