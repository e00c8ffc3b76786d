import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { type Cli, usage } from '../command.ts';
import { unlessFailed } from './stream-failure.ts';
import { ReplayLineError } from '../decode/decode.ts';

/** Hands the lines of a capture to `read`; `-` is standard input. A line that is no message is a usage error. */
export async function openCapture(
  cli: Cli,
  file: string,
  read: (lines: AsyncIterable<string>) => Promise<void>,
): Promise<void> {
  const input: NodeJS.ReadableStream = file === '-' ? cli.stdin : createReadStream(file);
  // A stream that fails must end the reading of lines, which on its own would wait for ever.
  const guarded = unlessFailed(input, (error) => error as Error);
  const lines = createInterface({ input, crlfDelay: Infinity });
  try {
    await guarded(read(lines));
  } catch (error) {
    if (error instanceof ReplayLineError)
      throw usage(`${file}: ${error.message}`, 'each line is a JSON object with topic and payload');
    throw new FieldwatchError(`cannot read ${file}: ${messageOf(error)}`, {
      code: 'CAPTURE_UNREADABLE',
      kind: 'config',
      cause: error,
    });
  } finally {
    lines.close();
  }
}
