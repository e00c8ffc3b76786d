import { loadavg } from 'node:os';
import { registerCodecLibraries } from '../src/lib/load-library.ts';
import { UsageError } from './arguments.ts';
import { type BenchResult, runBench } from './bench.ts';
import { HELP } from './help.ts';
import { formatFacts } from './machine.ts';
import { type BenchOptions, parseOptions } from './options.ts';
import { formatTable, verdictOf } from './report.ts';

/** Ctrl-C, or a SIGTERM: no result, and nothing left running. */
class Interrupted extends Error {}

registerCodecLibraries();
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(args);
    if (options !== 'help') return await measure(options);
    process.stdout.write(HELP);
    return 0;
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    if (error instanceof Interrupted) return 130;
    if (!(error instanceof UsageError)) return 1;
    process.stderr.write('bench: --help lists the options\n');
    return 2;
  }
}

async function measure(options: BenchOptions): Promise<number> {
  const interrupt = new AbortController();
  const stop = (signal: NodeJS.Signals) => interrupt.abort(new Interrupted(`stopped by ${signal}`));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const progress = (text: string) => void process.stderr.write(`bench: ${text}\n`);
  const result = await runBench(options, { progress, signal: interrupt.signal });
  process.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : forPeople(result));
  const complete = result.skipped.length === 0;
  const good = complete && result.figures.every((figure) => verdictOf(figure) !== 'miss');
  return options.check && !good ? 1 : 0;
}

function forPeople({ machine, engines, figures, skipped, seconds }: BenchResult): string {
  const load = loadavg()[0] ?? 0;
  const busy =
    machine.loadAverage > machine.cpus / 2
      ? ['The machine was busy before the bench began: trust the ratios, not the figures.']
      : [];
  const took = `${Math.round(seconds)} s, load now ${load.toFixed(2)}`;
  return [formatFacts(machine, engines), '', formatTable(figures, skipped), took, ...busy, ''].join('\n');
}
