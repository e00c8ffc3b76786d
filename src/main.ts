#!/usr/bin/env node
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { COMMANDS } from './cli/index.ts';
import type { Cli, ExitCode } from './cli/command.ts';
import { FieldwatchError, messageOf } from './core/errors.ts';
import { version } from './version.ts';

/** As long as a timer can be set. */
const LONG_MS = 2 ** 31 - 1;

interface Outcome {
  code: ExitCode;
}

function processCli(outcome: Outcome): Cli {
  let interrupted: Promise<NodeJS.Signals> | undefined;
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    // Installed when first asked for: a command that only prints ends at Ctrl-C as any program does. `once` gives
    // the signal back afterwards, so that a second Ctrl-C ends a shutdown that takes too long.
    get interrupted() {
      interrupted ??= new Promise((resolve) => {
        // Nothing else may be left to keep the process alive: the broker is away, and timers do not count.
        setInterval(() => undefined, LONG_MS);
        process.once('SIGINT', resolve);
        process.once('SIGTERM', resolve);
      });
      return interrupted;
    },
    onHangup: (handler) => void process.on('SIGHUP', handler),
    action:
      (run) =>
      async (...args) => {
        outcome.code = await run(...args);
      },
  };
}

/** What went wrong, for a person, and the exit code that goes with it. */
function explain(error: unknown): { text: string; code: ExitCode } {
  if (error instanceof FieldwatchError) {
    const remedy = error.remedy === undefined ? '' : `\n  remedy: ${error.remedy}`;
    return {
      text: `fieldwatch: ${error.message}\n  code: ${error.code}${remedy}`,
      code: error.kind === 'config' ? 2 : 1,
    };
  }
  const stack = error instanceof Error && error.stack !== undefined ? error.stack : messageOf(error);
  return { text: `fieldwatch: unexpected error, please report it\n${stack}`, code: 1 };
}

/** argv -> command -> exit code. */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  const outcome: Outcome = { code: 0 };
  const cli = processCli(outcome);
  const program = new Command('fieldwatch')
    .description('MQTT sensor readings into TimescaleDB, watched, with nothing lost.')
    .version(version(), '-V, --version')
    .showHelpAfterError('(run with --help for usage)')
    .exitOverride();
  for (const build of COMMANDS) inheritExit(program, build(cli));
  try {
    await program.parseAsync(argv);
    return outcome.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const { text, code } = explain(error);
    process.stderr.write(`${text}\n`);
    return code;
  }
}

/** Commander's settings do not reach commands that are added ready-made: pass them on. */
function inheritExit(parent: Command, child: Command): void {
  parent.addCommand(child);
  const settle = (command: Command): void => {
    command.copyInheritedSettings(parent);
    command.commands.forEach(settle);
  };
  settle(child);
}

function isEntryPoint(): boolean {
  const entry = process.argv[1];
  return entry !== undefined && realpathSync(entry) === fileURLToPath(import.meta.url);
}

if (isEntryPoint()) {
  // A reader that goes away (`| head`) ends the command quietly.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const code = await main(process.argv);
  // A pipe takes 64 KiB at a time: what waits behind a slow reader would be lost.
  for (const stream of [process.stdout, process.stderr])
    await new Promise<void>((resolve) => stream.write('', () => resolve()));
  process.exit(code);
}
