import { silentLogger } from '../../src/adapters/log/logger.ts';
import { CleanupStack } from '../../src/lib/cleanup-stack.ts';
import { UsageError } from '../arguments.ts';
import { HELP, type SoakOptions, parseOptions } from './options.ts';
import { soakOutage } from './outage.ts';
import { soakSilence } from './silence.ts';
import { soakSteady } from './steady.ts';
import { formatLines, holds } from './verdict.ts';

const RUNS = { outage: soakOutage, steady: soakSteady, silence: soakSilence };

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(args);
    if (options !== 'help') return await soak(options);
    process.stdout.write(HELP);
    return 0;
  } catch (error) {
    process.stderr.write(`soak: ${error instanceof Error ? error.message : String(error)}\n`);
    if (!(error instanceof UsageError)) return 1;
    process.stderr.write('soak: --help lists the options\n');
    return 2;
  }
}

/** One run; whatever was started is gone when it is over, also after Ctrl-C. */
async function soak(options: SoakOptions): Promise<number> {
  const cleanup = new CleanupStack(silentLogger);
  const interrupt = new AbortController();
  const { signal } = interrupt;
  const interrupted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => interrupt.abort(new Error(`stopped by ${name}`)));
  const progress = (text: string) => void process.stderr.write(`soak: ${text}\n`);
  const run = RUNS[options.mode];
  try {
    const lines = await Promise.race([run({ options, cleanup, signal, progress }), interrupted]);
    const { mode, seconds, rate, sensors } = options;
    const title = mode === 'silence' ? `${mode}: ${sensors} sensors` : `${mode}: ${seconds} s at ${rate} messages/s`; // prettier-ignore
    const held = lines.every(holds);
    process.stdout.write(options.json ? `${JSON.stringify({ options, held, lines }, null, 2)}\n` : formatLines(title, lines)); // prettier-ignore
    return held ? 0 : 1;
  } finally {
    await cleanup.releaseAll();
  }
}
