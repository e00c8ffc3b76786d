import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../src/lib/package-root.ts';
import { daemonConfigText } from './daemon-config.ts';
import type { FlowDeps } from './flow.ts';
import { DEPLOYED_ENVIRONMENT } from './deployed-environment.ts';
import type { BenchOptions } from './options.ts';
import type { Figure } from './report.ts';
import { median } from './stats.ts';

/** A command takes at most so many times what Node itself takes. */
const TIMES_NODE = 2.5;
const REST_LIMIT_MB = 85;
const START_MS = 60_000;
const MAIN = join(packageRoot(), 'dist/main.js');
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'node -e 0': ['-e', '0'],
  '--help': [MAIN, '--help'],
  '--version': [MAIN, '--version'],
  'check-config': [MAIN, 'check-config', '-c', join(packageRoot(), 'config/fieldwatch.yaml')],
};

/** As in a user's shell; what the unit sets is set here, too. */
const ENV = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(FIELDWATCH_|NODE_OPTIONS)/.test(name)),
  ),
  ...DEPLOYED_ENVIRONMENT,
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
  const child = spawn(process.execPath, args, { stdio: 'ignore', env: ENV });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`node ${args.join(' ')}: exit code ${code}; run npm run build first`);
  return performance.now() - started;
}

/** Resident memory of the daemon with nothing to do, a while after its start: V8 gives back what the start took. */
export async function benchRest(deps: FlowDeps): Promise<Figure> {
  const { databaseUrl, broker, stateDir, cleanup, options } = deps;
  const config = join(stateDir, 'start.yaml');
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
  await writeFile(config, JSON.stringify(whole));
  const runs: number[] = [];
  for (let run = 0; run < options.sizes.restRuns; run++) {
    deps.progress(`(start) the daemon at rest, ${run + 1} of ${options.sizes.restRuns}`);
    const child = spawn(process.execPath, [MAIN, 'run', '-c', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: ENV,
    });
    cleanup.add('daemon at rest', () => ended(child));
    await subscribed(child);
    await sleep(options.sizes.restSeconds * 1000);
    runs.push(await residentMegabytes(child));
    await ended(child);
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

async function subscribed(child: ChildProcess): Promise<void> {
  const overdue = sleep(START_MS, undefined, { ref: false }).then(() => {
    throw new Error('the daemon has not subscribed in a minute');
  });
  const ready = (async () => {
    if (child.stderr === null) return;
    const lines = createInterface({ input: child.stderr });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => line.includes('mqtt: subscribed') && resolve());
      lines.on('close', () => reject(new Error('the daemon ended while starting')));
    });
  })();
  await Promise.race([ready, overdue]);
}

async function residentMegabytes({ pid }: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
