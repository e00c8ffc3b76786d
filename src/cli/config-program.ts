import { checkConfigCommand } from './check-config.ts';
import type { CliCommand, ExitCode } from './command.ts';
import { printConfigCommand } from './print-config.ts';
import { type ProgramEnv, runCommand } from './program.ts';

/** The commands that read only the configuration. main.ts names them. */
export const CONFIG_COMMANDS: readonly CliCommand[] = [checkConfigCommand, printConfigCommand];

/** A program of these alone: they run before each start of the unit and in editors, and the build compiles them ahead (scripts/bundle.js). */
export const runProgram = (argv: readonly string[], env: ProgramEnv): Promise<ExitCode> =>
  runCommand(argv, env, async (cli) => CONFIG_COMMANDS.map((command) => command(cli)));
