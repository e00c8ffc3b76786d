import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { Child } from './children.ts';
import { daemonConfigText } from './daemon-config.ts';
import { drainOnce } from './draining.ts';
import type { FlowDeps } from './flow.ts';
import type { LatencyJob, LatencyReport, PublishJob, PublishReport, WatchJob, WatchReport } from './jobs.ts';
import type { Figure } from './report.ts';
import { createSession, removeSession } from './session.ts';
import { median } from './stats.ts';

const STREAMS = 100;
const USERS = 20;
const RATE = 10_000;
const WARM_UP_SECONDS = 2;
const START_MS = 60_000;
const DRAIN_MS = 120_000;
/** Past everything that they watch. */
const WATCH_SECONDS = 3600;

const TARGET_RATE = 0.9;
const MORE_MS = 10;

interface Run {
  readonly p99Ms: number;
  readonly drainedPerSecond: number;
  readonly cpuSeconds: number;
  readonly seen?: WatchReport;
}

/** (watched) The daemon with and without people who look at it, alternately. */
export async function benchWatched(deps: FlowDeps): Promise<readonly Figure[]> {
  const watched: Run[] = [];
  const alone: Run[] = [];
  const { runs } = deps.options.sizes;
  for (let run = 0; run < runs; run++) {
    for (const looks of run % 2 === 0 ? [false, true] : [true, false]) {
      deps.progress(`(watched) ${looks ? 'with' : 'without'} readers of the page, run ${run + 1} of ${runs}`);
      (looks ? watched : alone).push(await once(deps, looks));
    }
  }
  return figuresOf(watched, alone);
}

async function once(deps: FlowDeps, looks: boolean): Promise<Run> {
  const httpPort = await freePort();
  const watcher = looks ? new Child<WatchJob, WatchReport>('watcher', deps.cleanup) : undefined;
  try {
    watcher?.send({ port: httpPort, streams: STREAMS, users: USERS, seconds: secondsOf(deps) });
    const latency = await latencyOnce(deps, httpPort, looks);
    const { report } = await drainOnce(deps, 'drain-daemon', { part: 'watched', httpPort });
    const seen = await watcher?.next(WATCH_SECONDS * 1000);
    return {
      ...latency,
      drainedPerSecond: report.timed / report.seconds,
      ...(seen === undefined ? {} : { seen }),
    };
  } finally {
    await watcher?.end();
  }
}

/** For as long as the daemon has something to do, as a rule: it is the same for all runs. */
const secondsOf = ({ options }: FlowDeps): number =>
  WARM_UP_SECONDS + options.sizes.latencySeconds + options.sizes.drainMessages / 5000 + 10;

async function latencyOnce(
  deps: FlowDeps,
  httpPort: number,
  looks: boolean,
): Promise<Pick<Run, 'p99Ms' | 'cpuSeconds'>> {
  const { options, broker, databaseUrl, stateDir, cleanup } = deps;
  const clientId = `fieldwatch-bench-${randomBytes(4).toString('hex')}`;
  const config = daemonConfigText({ databaseUrl, broker, clientId, stateDir, httpPort });
  const skip = RATE * WARM_UP_SECONDS;
  const messages = skip + RATE * options.sizes.latencySeconds;
  const daemon = new Child<LatencyJob, LatencyReport>('latency-daemon', cleanup);
  const publisher = new Child<PublishJob, PublishReport>('latency-publisher', cleanup);
  await createSession(broker, clientId);
  try {
    await daemon.ask({ config, expected: messages, skip }, START_MS);
    if (looks) await isWatched(httpPort);
    await publisher.ask({ broker, ratePerSecond: RATE, messages, seed: options.seed }, DRAIN_MS);
    const done = await daemon.next(DRAIN_MS);
    if (done.kind !== 'done' || done.stalled) throw new Error('(watched) not all messages were stored');
    return { p99Ms: done.p99Ms, cpuSeconds: done.cpuSeconds };
  } finally {
    await Promise.all([daemon.end(), publisher.end()]);
    await removeSession(broker, clientId);
  }
}

/** Resolves when every stream is open. */
async function isWatched(port: number): Promise<void> {
  for (;;) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    if (text.includes(`fieldwatch_api_streams ${STREAMS}\n`)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function figuresOf(watched: readonly Run[], alone: readonly Run[]): readonly Figure[] {
  const what = `${STREAMS} streams, ${USERS} users`;
  const figure = (
    measure: string,
    unit: string,
    of: (run: Run) => number,
    compare: (value: number, base: number) => Pick<Figure, 'ratio' | 'target'>,
    note?: string,
  ): Figure => {
    const [runs, baseRuns] = [watched.map(of), alone.map(of)];
    const [value, base] = [median(runs), median(baseRuns)];
    return {
      part: 'watched',
      measure: `${what}: ${measure}`,
      ...{ unit, value, runs },
      reference: { what: 'without', unit, value: base, runs: baseRuns },
      ...compare(value, base),
      ...(note === undefined ? {} : { note }),
    };
  };
  const seen = watched.flatMap((run) => run.seen ?? []);
  const sum = (of: (report: WatchReport) => number) => seen.reduce((total, each) => total + of(each), 0);
  const note =
    `${what}: ${sum(({ events }) => events)} events and ${sum(({ requests }) => requests)} answers, ` +
    `${sum(({ failures }) => failures)} failed, p99 ${Math.round(median(seen.map(({ p99Ms }) => p99Ms)))} ms`;
  return [
    figure(
      'backlog drained',
      'messages/s',
      (run) => run.drainedPerSecond,
      (value, base) => ({ ratio: value / base, target: TARGET_RATE }),
      note,
    ),
    figure(
      `publish to commit at 10,000 messages/s, p99, of ${MORE_MS} ms more`,
      'ms',
      (run) => run.p99Ms,
      (value, base) => ({ ratio: (base + MORE_MS) / value, target: 1 }),
    ),
    figure(
      'CPU of the daemon meanwhile',
      's',
      (run) => run.cpuSeconds,
      (value, base) => ({ ratio: base / value }),
    ),
  ];
}
