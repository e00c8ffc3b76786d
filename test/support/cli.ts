import { PassThrough } from 'node:stream';
import { type Command, CommanderError } from 'commander';
import type { Cli, CliCommand, ExitCode } from '../../src/cli/command.ts';

export interface CliRun {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
}

export interface CliOptions {
  readonly env?: Record<string, string>;
  readonly isTTY?: boolean;
}

/** A command under way: what it has printed so far, and its end. */
export interface RunningCli {
  readonly out: () => string;
  readonly err: () => string;
  readonly interrupt: () => void;
  /** Resolves once `text` has been printed; the command's failure rejects. */
  readonly printed: (text: string, where?: 'stdout' | 'stderr') => Promise<void>;
  readonly done: Promise<CliRun>;
}

/** Runs one command in this process, as main.ts does: usage errors are exit code 2, errors are thrown. */
export function startCli(build: CliCommand, args: readonly string[], options: CliOptions = {}): RunningCli {
  const captured = { stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  const stream = (name: keyof typeof captured) =>
    Object.assign(new PassThrough(), { isTTY: options.isTTY ?? false }).on('data', (chunk: Buffer) => {
      captured[name] += chunk.toString();
      watchers.forEach((poll) => poll());
    });
  let interrupt: (signal: NodeJS.Signals) => void = () => {};
  let code: ExitCode = 0;
  const cli: Cli = {
    stdin: new PassThrough(),
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    env: options.env ?? {},
    invocation: 'fieldwatch',
    interrupted: new Promise((resolve) => (interrupt = resolve)),
    onHangup: () => {},
    action:
      (run) =>
      async (...rest) => {
        code = await run(...rest);
      },
  };
  const command = build(cli);
  const settle = (one: Command): void => {
    one.exitOverride().configureOutput({
      writeOut: (text) => void cli.stdout.write(text),
      writeErr: (text) => void cli.stderr.write(text),
    });
    one.commands.forEach(settle);
  };
  settle(command);
  const done = command.parseAsync([...args], { from: 'user' }).then(
    () => ({ code, out: captured.stdout, err: captured.stderr }),
    (error: unknown) => {
      if (!(error instanceof CommanderError)) throw error;
      const failed: ExitCode = error.exitCode === 0 ? 0 : 2;
      return { code: failed, out: captured.stdout, err: captured.stderr };
    },
  );
  return {
    out: () => captured.stdout,
    err: () => captured.stderr,
    interrupt: () => interrupt('SIGINT'),
    printed: (text, where = 'stdout') =>
      new Promise((resolve, reject) => {
        const poll = () => {
          if (captured[where].includes(text)) resolve();
        };
        watchers.add(poll);
        done.catch(reject);
        poll();
      }),
    done,
  };
}

export const runCli = (build: CliCommand, args: readonly string[], options?: CliOptions): Promise<CliRun> =>
  startCli(build, args, options).done;
