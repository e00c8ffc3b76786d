import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../src/lib/package-root.ts';
import { cleanEnvironment } from '../test/support/child-process.ts';
import { Daemon } from '../test/support/daemon.ts';
import { daemonConfigText } from './daemon-config.ts';
import type { FlowDeps } from './flow.ts';
import { DEPLOYED_ENVIRONMENT } from './deployed-environment.ts';
import type { BenchOptions } from './options.ts';
import { residentMegabytes } from './process-memory.ts';
import type { Figure } from './report.ts';
import { median } from './stats.ts';

/** A command takes at most so many times what Node itself takes. */
const TIMES_NODE = 2.5;
const REST_LIMIT_MB = 85;
const MAIN = join(packageRoot(), 'dist/main.js');
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'node -e 0': ['-e', '0'],
  '--help': [MAIN, '--help'],
  '--version': [MAIN, '--version'],
  'check-config': [MAIN, 'check-config', '-c', join(packageRoot(), 'config/fieldwatch.yaml')],
};

/** Commands of dist/, in turn with `node -e 0`, from the start of the process to its end. */
export async function benchCommands({ sizes }: BenchOptions): Promise<Figure[]> {
  const runs = new Map(Object.keys(COMMANDS).map((name) => [name, [] as number[]]));
  // The first round fills the caches of the file system.
  for (let round = 0; round <= sizes.startRuns; round++)
    for (const [name, args] of Object.entries(COMMANDS)) {
      const ms = await timed(args);
      if (round > 0) runs.get(name)?.push(ms);
    }
  const bare = runs.get('node -e 0') ?? [];
  return Object.keys(COMMANDS)
    .slice(1)
    .map((name) => figure(name, runs.get(name) ?? [], bare));
}

function figure(name: string, runs: readonly number[], bare: readonly number[]): Figure {
  const [value, node] = [median(runs), median(bare)];
  return {
    part: 'start',
    measure: name,
    unit: 'ms',
    value,
    runs,
    reference: { what: 'node -e 0', unit: 'ms', value: node, runs: bare },
    ratio: node / value,
    target: 1 / TIMES_NODE,
    note: `${name}: ${(value / node).toFixed(2)} times node -e 0, ${TIMES_NODE} at most; medians of ${runs.length} runs in turn, Node ${process.versions.node}`,
  };
}

async function timed(args: readonly string[]): Promise<number> {
  const started = performance.now();
  const child = spawn(process.execPath, args, {
    stdio: 'ignore',
    env: cleanEnvironment(DEPLOYED_ENVIRONMENT),
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`node ${args.join(' ')}: exit code ${code}; run npm run build first`);
  return performance.now() - started;
}

/** Resident memory of the daemon with nothing to do, a while after its start: V8 gives back what the start took. */
export async function benchRest(deps: FlowDeps): Promise<Figure> {
  const { databaseUrl, broker, stateDir, cleanup, options } = deps;
  const text = JSON.parse(
    daemonConfigText({ databaseUrl, broker, clientId: 'bench-start', stateDir }),
  ) as object;
  // As it comes: with its scheduler and its endpoints.
  const whole = {
    ...text,
    scheduler: {},
    http: { port: 0 },
    log: { level: 'info', format: 'json' },
  };
  const runs: number[] = [];
  for (let run = 0; run < options.sizes.restRuns; run++) {
    deps.progress(`(start) the daemon at rest, ${run + 1} of ${options.sizes.restRuns}`);
    const daemon = await Daemon.prepare(JSON.stringify(whole), { env: DEPLOYED_ENVIRONMENT });
    cleanup.add('daemon at rest', () => daemon.remove());
    await daemon.launch();
    await sleep(options.sizes.restSeconds * 1000);
    runs.push(residentMegabytes(daemon.pid));
    await daemon.end();
  }
  const value = median(runs);
  const seconds = options.sizes.restSeconds;
  return {
    part: 'start',
    measure: 'daemon at rest',
    unit: 'MB',
    value,
    runs,
    reference: { what: 'limit', unit: 'MB', value: REST_LIMIT_MB, runs: [REST_LIMIT_MB] },
    ratio: REST_LIMIT_MB / value,
    target: 1,
    note: `daemon at rest: resident memory ${seconds} s after the subscription, without the embedded servers`,
  };
}
