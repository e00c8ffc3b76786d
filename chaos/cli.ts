import { UsageError } from '../bench/arguments.ts';
import { type ChaosOptions, HELP, parseOptions } from './options.ts';
import { formatReport } from './report.ts';
import { runChaos } from './run.ts';

/** argv -> exit code: 0 all promises held, 1 a violation or a failure, 2 usage. */
export async function main(args: readonly string[], print: (text: string) => void): Promise<number> {
  try {
    const options = parseOptions(args);
    if (options !== 'help') return await torment(options, print);
    print(HELP);
    return 0;
  } catch (error) {
    process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
    if (!(error instanceof UsageError)) return 1;
    process.stderr.write('chaos: --help lists the options\n');
    return 2;
  }
}

async function torment(options: ChaosOptions, print: (text: string) => void): Promise<number> {
  const interrupt = new AbortController();
  const stop = (signal: NodeJS.Signals) => interrupt.abort(new Error(`stopped by ${signal}`));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const progress = (text: string) => void process.stderr.write(`chaos: ${text}\n`);
  try {
    const result = await runChaos(options, { progress, signal: interrupt.signal });
    print(options.json ? `${JSON.stringify(result, null, 2)}\n` : formatReport(result));
    return result.violations.length === 0 ? 0 : 1;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
