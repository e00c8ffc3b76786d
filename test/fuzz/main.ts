import { parseArgs } from 'node:util';
import { registerCodecLibraries } from '../../src/lib/load-library.ts';
import { FUZZ_TARGETS } from '../support/fuzz-targets.ts';
import { type FuzzReport, runFuzz } from '../support/fuzz.ts';

const HELP = `npm run fuzz -- [options]

Feeds seeded random and mutated payloads to every codec. A result outside of the payload contract, an exception or a
payload that takes longer than 250 ms is a violation: exit code 1.

  --codec NAME    one codec only, may be repeated: ${FUZZ_TARGETS.map(({ name }) => name).join(', ')}
  --count N       payloads per codec (default: 200000)
  --seed S        the same seed gives the same payloads (default: the time, printed)
`;
const SLOWEST_MS = 250;
/** What may be left on the heap by a codec's payloads, after they are gone. */
const GROWTH_MIB = 64;

registerCodecLibraries();
process.exitCode = main(process.argv.slice(2));

function main(args: readonly string[]): number {
  const options = read(args);
  if (typeof options === 'string') {
    process.stderr.write(`fuzz: ${options}\n`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  process.stdout.write(`seed ${options.seed}, ${options.count} payloads per codec\n`);
  const bad = options.targets.filter((target) => {
    const before = heapMiB();
    const report = runFuzz(target, options.count, options.seed);
    return !isGood(target.name, report, heapMiB() - before);
  });
  if (bad.length === 0) return 0;
  const codecs = bad.map(({ name }) => `--codec ${name}`).join(' ');
  process.stdout.write(`again: npm run fuzz -- --seed ${options.seed} --count ${options.count} ${codecs}\n`);
  return 1;
}

function read(args: readonly string[]) {
  const text = { type: 'string' } as const;
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: { codec: { ...text, multiple: true }, count: text, seed: text, help: { type: 'boolean' } },
    }));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const count = Number(values.count ?? 200_000);
  const seed = Number(values.seed ?? Date.now() % 2 ** 32);
  if (!Number.isInteger(count) || count < 1) return '--count is a whole number from 1';
  if (!Number.isInteger(seed) || seed < 0) return '--seed is a whole number from 0';
  const names = values.codec ?? FUZZ_TARGETS.map(({ name }) => name);
  const unknown = names.find((name) => !FUZZ_TARGETS.some((target) => target.name === name));
  if (unknown !== undefined) return `no codec ${unknown}; --help lists them`;
  const targets = FUZZ_TARGETS.filter(({ name }) => names.includes(name));
  return { count, seed, targets, help: values.help === true };
}

/** With --expose-gc, as `npm run fuzz` starts it, what is garbage does not count. */
function heapMiB(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().heapUsed / 1024 ** 2;
}

function isGood(
  name: string,
  { payloads, readings, slowestMs, breaches }: FuzzReport,
  grown: number,
): boolean {
  const slow = slowestMs > SLOWEST_MS;
  const big = grown > GROWTH_MIB;
  const verdict = breaches.length > 0 ? 'BREACH' : slow ? 'SLOW' : big ? 'GROWS' : 'ok';
  const figures = `${payloads} payloads, ${readings} readings, slowest ${slowestMs.toFixed(1)} ms`;
  process.stdout.write(
    `${name.padEnd(20)} ${verdict.padEnd(6)} ${figures}, heap ${grown.toFixed(1)} MiB more\n`,
  );
  for (const breach of breaches) process.stdout.write(`  ${breach}\n`);
  return verdict === 'ok';
}
