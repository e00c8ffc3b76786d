import { Command } from 'commander';
import { FieldwatchError } from '../core/errors.ts';
import type { Invocation } from './invocation.ts';

/** The process as a command sees it; tests hand in their own. */
export interface Cli extends Invocation {
  readonly stdin: NodeJS.ReadableStream;
  /** The result, nothing else. */
  readonly stdout: NodeJS.WritableStream & {
    readonly isTTY?: boolean;
    readonly columns?: number;
    readonly rows?: number;
  };
  /** Diagnostics: progress, warnings, errors. */
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Resolves with the signal's name at the first SIGINT or SIGTERM; a long-running command awaits it. */
  readonly interrupted: Promise<NodeJS.Signals>;
  /** Called at every SIGHUP. */
  onHangup(handler: () => void): void;
  /** Wraps an action: what it returns becomes the exit code. */
  action<A extends unknown[]>(run: (...args: A) => Promise<ExitCode>): (...args: A) => Promise<void>;
}

/** 0 fine · 1 a finding or a failure · 2 usage or configuration. */
export type ExitCode = 0 | 1 | 2;

/** One command per file; `index.ts` is the list. */
export type CliCommand = (cli: Cli) => Command;

/**
 * A subcommand with the common help: summary, and an example that can be pasted.
 * Text goes through commander's own writers, so that tests see it.
 */
export function subcommand(name: string, summary: string, example: string): Command {
  return new Command(name)
    .summary(summary)
    .description(summary)
    .addHelpText('after', `\nExample:\n  ${example.split('\n').join('\n  ')}\n`);
}

export const configOption = [
  '-c, --config <file>',
  'configuration file (default: see `fieldwatch print-config --help`)',
] as const;
export const jsonOption = ['--json', 'print JSON (one document, or one line per item)'] as const;

/** A usage error that is found after the options were parsed: exit code 2. */
export const usage = (message: string, remedy?: string): FieldwatchError =>
  new FieldwatchError(message, {
    code: 'USAGE',
    kind: 'config',
    ...(remedy === undefined ? {} : { remedy }),
  });

/** One line on standard output. */
export function print(cli: Cli, line: string): void {
  cli.stdout.write(`${line}\n`);
}
