import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { counted } from '../../core/counted.ts';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { numeric } from '../arguments.ts';
import { captureLine } from './line.ts';
import { type Cli, type CliCommand, type ExitCode, subcommand } from '../command.ts';
import { unlessFailed } from './stream-failure.ts';
import { type ListenOptions, sourceOf, collect, secondsOption, withListenOptions } from './listening.ts';

interface Options extends ListenOptions {
  readonly messages: number;
  readonly out?: string;
}

const EXAMPLE = [
  'fieldwatch capture --broker mqtt://127.0.0.1:1883 --filter "sensors/#" --seconds 60 --out capture.jsonl',
  'fieldwatch decode -c fieldwatch.yaml --replay capture.jsonl',
].join('\n');

/** `fieldwatch capture`: what a broker delivers, as a file for `decode --replay` and `learn --replay`. */
export const captureCommand: CliCommand = (cli) =>
  withListenOptions(
    subcommand(
      'capture',
      'write the messages of a live broker to a file, one JSON line each, until a limit or Ctrl-C',
      EXAMPLE,
    ),
  )
    .option(...secondsOption)
    .option('-n, --messages <n>', 'end after this many messages', numeric(1, 1e9), 100_000)
    .option('-o, --out <file>', 'file to write (default: standard output)')
    .action(cli.action((options: Options) => capture(cli, options)));

async function capture(cli: Cli, options: Options): Promise<ExitCode> {
  const source = sourceOf(cli, options);
  const sink = options.out === undefined ? terminalSink(cli) : await fileSink(options.out);
  try {
    const { seconds, messages: most } = options;
    const { messages, elapsedMs, ended } = await collect(
      cli,
      source,
      { seconds, messages: most },
      (message) => sink.write(`${captureLine(message)}\n`),
    );
    await sink.close();
    const why = ended === 'messages' ? '; --messages sets the limit' : '';
    cli.stderr.write(
      `fieldwatch: captured ${counted(messages, 'message')} in ${(elapsedMs / 1000).toFixed(1)} s${why}\n`,
    );
    return 0;
  } finally {
    await sink.close().catch(() => {});
  }
}

interface Sink {
  /** Resolves when there is room for more. */
  write(line: string): Promise<void>;
  close(): Promise<void>;
}

function terminalSink({ stdout }: Cli): Sink {
  return {
    write: async (line) => {
      if (!stdout.write(line)) await once(stdout, 'drain');
    },
    close: async () => {},
  };
}

async function fileSink(file: string): Promise<Sink> {
  const stream = createWriteStream(file);
  const unwritable = (error: unknown) =>
    new FieldwatchError(`cannot write ${file}: ${messageOf(error)}`, {
      code: 'CAPTURE_UNWRITABLE',
      kind: 'config',
      remedy: 'name another file with --out, or free the disk',
      cause: error,
    });
  // A disk that fills up ends the capture, whatever it was waiting for.
  const guarded = unlessFailed(stream, unwritable);
  await guarded(once(stream, 'open'));
  return {
    write: async (line) => {
      if (stream.write(line)) return;
      await guarded(once(stream, 'drain'));
    },
    close: async () => {
      stream.end();
      await guarded(finished(stream).catch((error: unknown) => Promise.reject(unwritable(error))));
    },
  };
}
