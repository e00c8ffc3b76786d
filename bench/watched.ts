import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { seededRandom } from '../src/simulator/random.ts';
import { eventually, pause } from '../test/support/eventually.ts';
import type { BenchBroker } from './broker.ts';
import { Child } from './children.ts';
import { daemonConfigText } from './daemon-config.ts';
import type { FlowDeps } from './flow.ts';
import { freePort } from '../test/support/free-port.ts';
import type { PublishJob, PublishReport, WatchJob, WatchReport, WatchedJob, WatchedReport } from './jobs.ts';
import type { Figure } from './report.ts';
import { cpuSecondsOf, postmasterOf } from './server-cpu.ts';
import { createSession, queueMessages, removeSession } from './session.ts';
import { median } from './stats.ts';

const STREAMS = 100;
const USERS = 20;
const RATE = 10_000;
const WARM_UP_SECONDS = 2;
/** Each user has opened each view. */
const WARM_REQUESTS = 4 * USERS;
/** Long enough for several requests of each user. */
const BACKLOG = 400_000;
const QUICK_BACKLOG = 200_000;
const START_MS = 60_000;
const RUN_MS = 180_000;
const POLL_MS = 20;
const SETTLED_MS = 1000;
const PER = 100_000;

const TARGET_RATE = 0.9;
const MORE_MS = 10;

/** Resources of one stretch of messages. CPU in seconds per 100,000 messages, of each process that shares the machine. */
interface Stretch {
  readonly perSecond: number;
  readonly daemonCpu: number;
  readonly databaseCpu: number;
  readonly readersCpu: number;
}

export interface WatchedRun {
  readonly offered: Stretch & { readonly p99Ms: number };
  readonly backlog: Stretch;
  readonly seen?: WatchReport;
}

type Daemon = Child<WatchedJob, WatchedReport>;
type Watcher = Child<WatchJob, WatchReport>;

/** (watched) The daemon with and without readers of its page, alternately. */
export async function benchWatched(deps: FlowDeps): Promise<readonly Figure[]> {
  const watched: WatchedRun[] = [];
  const alone: WatchedRun[] = [];
  const { runs } = deps.options.sizes;
  for (let run = 0; run < runs; run++) {
    for (const looks of run % 2 === 0 ? [false, true] : [true, false]) {
      deps.progress(`(watched) ${looks ? 'with' : 'without'} readers of the page, run ${run + 1} of ${runs}`);
      (looks ? watched : alone).push(await once(deps, looks));
    }
  }
  return watchedFigures(watched, alone);
}

interface Place {
  readonly daemon: Daemon;
  readonly watcher: Watcher | undefined;
  readonly postmaster: number | undefined;
}

/** A new daemon for each run. Both measurements begin when its code is warm and everything that the readers keep open is open. */
async function once(deps: FlowDeps, looks: boolean): Promise<WatchedRun> {
  const { broker, databaseUrl, stateDir, cleanup, options } = deps;
  const clientId = `fieldwatch-bench-${randomBytes(4).toString('hex')}`;
  const httpPort = await freePort();
  const config = daemonConfigText({ databaseUrl, broker, clientId, stateDir, httpPort });
  const daemon: Daemon = new Child('watched-daemon', cleanup);
  const watcher: Watcher | undefined = looks ? new Child('watcher', cleanup) : undefined;
  await createSession(broker, clientId);
  try {
    await daemon.ask({ config }, START_MS);
    const place: Place = { daemon, watcher, postmaster: await postmasterOf(databaseUrl) };
    const messages = options.quick ? QUICK_BACKLOG : BACKLOG;
    await watcher?.ask({ open: { port: httpPort, streams: STREAMS, users: USERS } }, START_MS);
    await backlog(deps, place, messages);
    if (watcher !== undefined)
      await until(async () => {
        const { streams, requests } = await watcher.ask({}, START_MS);
        return streams === STREAMS && requests >= WARM_REQUESTS;
      });
    const offered = await offer(deps, place);
    const profileFile = profileOf(options, looks);
    const drained = await backlog(deps, place, messages, profileFile);
    const seen = await watcher?.ask({}, START_MS);
    return { offered, backlog: drained, ...(seen === undefined ? {} : { seen }) };
  } finally {
    await watcher?.end();
    await daemon.end();
    await removeSession(broker, clientId);
  }
}

/** Messages at the rate, for as long as latency is measured. */
async function offer(deps: FlowDeps, place: Place): Promise<WatchedRun['offered']> {
  const { options, broker, cleanup } = deps;
  const publisher = new Child<PublishJob, PublishReport>('latency-publisher', cleanup);
  const publish = (seconds: number) =>
    publisher.ask(
      { broker: brokerJob(broker), ratePerSecond: RATE, messages: RATE * seconds, seed: options.seed },
      RUN_MS,
    );
  try {
    const count = RATE * options.sizes.latencySeconds;
    await stretch(place, RATE * WARM_UP_SECONDS, () => publish(WARM_UP_SECONDS));
    return await stretch(place, count, () => publish(options.sizes.latencySeconds));
  } finally {
    await publisher.end();
  }
}

/** Messages that the broker holds while the daemon does not read. */
async function backlog(
  { broker, options, timeline }: FlowDeps,
  place: Place,
  count: number,
  profileFile?: string,
): Promise<Stretch> {
  await place.daemon.ask({ reads: false }, START_MS);
  await queueMessages(broker, count, timeline.take(count), seededRandom(options.seed));
  await pause(SETTLED_MS);
  return stretch(place, count, () => place.daemon.ask({ reads: true, profileFile }, START_MS));
}

/** From `begin` until so many messages more are stored. */
async function stretch(
  { daemon, watcher, postmaster }: Place,
  count: number,
  begin: () => Promise<unknown>,
): Promise<WatchedRun['offered']> {
  const read = async (latencies: 'begin' | 'read') => ({
    daemon: await daemon.ask({ latencies }, START_MS),
    readersCpu: (await watcher?.ask({}, START_MS))?.cpuSeconds ?? 0,
    databaseCpu: cpuSecondsOf(postmaster),
  });
  const [before, startMs] = [await read('begin'), Date.now()];
  await begin();
  await until(async () => (await daemon.ask({}, START_MS)).stored >= before.daemon.stored + count);
  const after = await read('read');
  const used = (later: number, earlier: number) => ((later - earlier) * PER) / count;
  return {
    perSecond: (1000 * count) / (after.daemon.storedAtMs - startMs),
    daemonCpu: used(after.daemon.cpuSeconds, before.daemon.cpuSeconds),
    databaseCpu: used(after.databaseCpu, before.databaseCpu),
    readersCpu: used(after.readersCpu, before.readersCpu),
    p99Ms: after.daemon.p99Ms,
  };
}

const brokerJob = ({ url, username, password, topicRoot }: BenchBroker) => ({
  ...{ url, username, password, topicRoot },
});

const profileOf = ({ profileDir }: FlowDeps['options'], looks: boolean): string | undefined =>
  profileDir === undefined
    ? undefined
    : join(resolve(profileDir), `watched-${looks ? 'with' : 'without'}-${Date.now()}.cpuprofile`);

const until = (isSo: () => Promise<boolean>) =>
  eventually('(watched) all messages are stored', isSo, { withinMs: RUN_MS, everyMs: POLL_MS });

/** The measurements of `watched` against those of `alone`, in the order of the runs. */
export function watchedFigures(
  watched: readonly WatchedRun[],
  alone: readonly WatchedRun[],
): readonly Figure[] {
  const what = `${STREAMS} streams, ${USERS} users`;
  const figure = (
    measure: string,
    unit: string,
    of: (run: WatchedRun) => number,
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
  const rate = (value: number, base: number) => ({ ratio: value / base, target: TARGET_RATE });
  const cost = (value: number, base: number) => ({ ratio: base / value });
  const cpu = (measure: string, of: (run: WatchedRun) => Stretch): readonly Figure[] => [
    figure(`${measure}, CPU of the daemon per 100,000`, 's', (run) => of(run).daemonCpu, cost),
    figure(`${measure}, CPU of the database per 100,000`, 's', (run) => of(run).databaseCpu, cost),
    figure(
      `${measure}, CPU of the readers themselves per 100,000`,
      's',
      (run) => of(run).readersCpu,
      () => ({}),
    ),
  ];
  return [
    figure(
      'at 10,000/s offered, stored',
      'messages/s',
      (run) => run.offered.perSecond,
      rate,
      seenNote(what, watched),
    ),
    figure(
      `at 10,000/s offered, publish to commit, p99, of ${MORE_MS} ms more`,
      'ms',
      (run) => run.offered.p99Ms,
      (value, base) => ({ ratio: (base + MORE_MS) / value, target: 1 }),
    ),
    ...cpu('at 10,000/s offered', (run) => run.offered),
    figure('backlog drained', 'messages/s', (run) => run.backlog.perSecond, rate),
    ...cpu('backlog', (run) => run.backlog),
  ];
}

function seenNote(what: string, watched: readonly WatchedRun[]): string {
  const seen = watched.flatMap((run) => run.seen ?? []);
  const sum = (of: (report: WatchReport) => number) => seen.reduce((total, each) => total + of(each), 0);
  return (
    `${what}: ${sum(({ events }) => events)} events and ${sum(({ requests }) => requests)} answers ` +
    `(${sum(({ unchanged }) => unchanged)} of them 304), ${sum(({ failures }) => failures)} failed, ` +
    `p99 ${Math.round(median(seen.map(({ p99Ms }) => p99Ms)))} ms. Publisher, broker, daemon, database and readers share the CPUs.`
  );
}
