import { Command, CommanderError } from 'commander';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import { registerCodecLibraries } from '../lib/load-library.ts';
import { version } from '../lib/version.ts';
import type { Cli, ExitCode } from './command.ts';
import { configFileOf, type Invocation, invocationOf, withInvocation } from './invocation.ts';
import { guarded } from './output/terminal.ts';

/** As long as a timer can be set. */
const LONG_MS = 2 ** 31 - 1;

interface Outcome {
  code: ExitCode;
}

export type ProgramEnv = Readonly<Record<string, string | undefined>>;

function processCli(outcome: Outcome, argv: readonly string[], env: ProgramEnv): Cli {
  let interrupted: Promise<NodeJS.Signals> | undefined;
  return {
    // Opened when first asked for: most commands read nothing.
    get stdin() {
      return process.stdin;
    },
    stdout: guarded(process.stdout),
    stderr: guarded(process.stderr),
    env,
    invocation: invocationOf({
      script: process.argv[1] ?? 'fieldwatch',
      cwd: process.cwd(),
      npmLifecycleEvent: env['npm_lifecycle_event'],
    }),
    configFile: configFileOf(argv),
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

/** The error as text, and its exit code. */
function explain(error: unknown, invocation: Invocation): { text: string; code: ExitCode } {
  if (error instanceof FieldwatchError) {
    const remedy =
      error.remedy === undefined ? '' : `\n  remedy: ${withInvocation(error.remedy, invocation)}`;
    return {
      text: `fieldwatch: ${error.message}\n  code: ${error.code}${remedy}`,
      code: error.kind === 'config' ? 2 : 1,
    };
  }
  const stack = error instanceof Error && error.stack !== undefined ? error.stack : messageOf(error);
  return { text: `fieldwatch: unexpected error, please report it\n${stack}`, code: 1 };
}

/** The commands of a program, with the one that is called; the others may be only listed. */
export type CommandsOf = (cli: Cli, called: string | undefined) => Promise<readonly Command[]>;

/** argv -> command -> exit code. */
export async function runCommand(
  argv: readonly string[],
  env: ProgramEnv,
  commandsOf: CommandsOf,
): Promise<ExitCode> {
  registerCodecLibraries();
  const outcome: Outcome = { code: 0 };
  const cli = processCli(outcome, argv, env);
  const program = new Command('fieldwatch')
    .description('MQTT sensor readings into TimescaleDB, watched, with nothing lost.')
    .version(version(), '-V, --version')
    .showHelpAfterError('(run with --help for usage)')
    .exitOverride();
  try {
    for (const command of await commandsOf(cli, calledIn(argv))) inheritExit(program, command);
    await program.parseAsync(argv);
    return outcome.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const { text, code } = explain(error, cli);
    cli.stderr.write(`${text}\n`);
    return code;
  }
}

/** The name of the command that argv calls, or asks the help of: the first argument that is no option. */
function calledIn(argv: readonly string[]): string | undefined {
  const [first, second] = argv.slice(2).filter((argument) => !argument.startsWith('-'));
  return first === 'help' ? second : first;
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
