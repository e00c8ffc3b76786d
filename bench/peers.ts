import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { seededRandom } from '../src/simulator/random.ts';
import { Child } from './children.ts';
import { type FlowDeps, RUN_MS } from './flow.ts';
import type { LiveJob, LiveReport } from './jobs.ts';
import { benthos } from './peer/benthos.ts';
import { fieldwatch } from './peer/fieldwatch.ts';
import type { PeerSetup } from './peer/peer.ts';
import { type Installed, Program, findPeer } from './peer/program.ts';
import { telegraf } from './peer/telegraf.ts';
import { type Figure, type Skipped, formatNumber } from './report.ts';
import { queueMessages, removeSession } from './session.ts';
import { median } from './stats.ts';

/** A new peer is a file in peer/ and a name here. */
export const PEERS = [telegraf, benthos] as const;

const WINDOW = 1000;
const PER = 100_000;
const START_MS = 60_000;
const SLOWEST_POLL_MS = 200;
const FASTEST_POLL_MS = 10;
/** Messages per CPU second, fieldwatch / Telegraf. */
const TIMES_TELEGRAF = 3;

/** One program, one round. */
export interface PeerRun {
  readonly live: { readonly perSecond: number; readonly cpuPer100k: number; readonly peakMegabytes: number };
  /** All that the broker held, from the start of the process. */
  readonly backlog: { readonly seconds: number; readonly peakMegabytes: number };
}

/** (peers) fieldwatch and each peer that is installed, in turn, each a process on the same broker and the same server. */
export async function benchPeers(deps: FlowDeps): Promise<readonly Figure[] | Skipped> {
  const peers = (await Promise.all(PEERS.map((peer) => findPeer(peer)))).filter(
    (found) => found !== undefined,
  );
  const ours = await findPeer(fieldwatch);
  if (peers.length === 0 || ours === undefined) {
    const names = PEERS.flatMap(({ executables }) => executables).join(', ');
    return { part: 'peers', reason: `none of ${names} is on PATH` };
  }
  const runs = new Map<Installed, PeerRun[]>([ours, ...peers].map((program) => [program, []]));
  for (let round = 0; round < deps.options.sizes.runs; round++)
    for (const [program, measured] of runs) {
      deps.progress(`(peers) ${program.label}, run ${round + 1} of ${deps.options.sizes.runs}`);
      measured.push(await once(deps, program));
    }
  return peers.flatMap((program) =>
    peerFigures(deps.options.sizes.liveMessages, program, runs.get(ours) ?? [], runs.get(program) ?? []),
  );
}

async function once(deps: FlowDeps, program: Installed): Promise<PeerRun> {
  const { broker, databaseUrl, stateDir, cleanup } = deps;
  const clientId = `fieldwatch-bench-${randomBytes(4).toString('hex')}`;
  const folder = join(stateDir, clientId);
  await mkdir(folder);
  const setup = program.peer.setup({ databaseUrl, broker, clientId, folder });
  for (const [name, text] of Object.entries(setup.files)) await writeFile(join(folder, name), text);
  const db = new pg.Client({ connectionString: databaseUrl });
  await db.connect();
  try {
    for (const sql of setup.sql) await db.query(sql);
    const start = () => new Program(program, setup.args, cleanup);
    const table = new Table(db, setup);
    return { live: await live(deps, start(), table), backlog: await backlog(deps, start, table) };
  } finally {
    await db.end();
    await removeSession(broker, clientId);
  }
}

/** Published while it is connected, after a warm-up. Leaves it stopped, with its session. */
async function live(deps: FlowDeps, program: Program, table: Table): Promise<PeerRun['live']> {
  const { options, broker, timeline, cleanup } = deps;
  const { liveWarmUp, liveMessages } = options.sizes;
  await subscribed(deps, program, table);
  const publisher = new Child<LiveJob, LiveReport>('live-publisher', cleanup);
  const publish = async (messages: number): Promise<number> => {
    const startMs = timeline.take(messages);
    const before = await table.rows();
    const beganMs = performance.now();
    await publisher.ask({ broker, messages, startMs, seed: options.seed, window: WINDOW }, RUN_MS);
    await table.until(before + messages, program);
    return (performance.now() - beganMs) / 1000;
  };
  try {
    await publish(liveWarmUp);
    const before = program.cpuSeconds;
    const seconds = await publish(liveMessages);
    const cpuPer100k = ((program.cpuSeconds - before) * PER) / liveMessages;
    const { peakMegabytes } = program;
    await program.stop();
    return { perSecond: liveMessages / seconds, cpuPer100k, peakMegabytes };
  } finally {
    await publisher.end();
  }
}

/** Published while it is stopped; timed from its start until the last row is there. */
async function backlog(
  { options, broker, timeline }: FlowDeps,
  start: () => Program,
  table: Table,
): Promise<PeerRun['backlog']> {
  const { liveMessages: count } = options.sizes;
  const before = await table.rows();
  await queueMessages(broker, count, timeline.take(count), seededRandom(options.seed));
  const beganMs = performance.now();
  const program = start();
  await table.until(before + count, program);
  const seconds = (performance.now() - beganMs) / 1000;
  const { peakMegabytes } = program;
  await program.stop();
  return { seconds, peakMegabytes };
}

/** Messages until one is stored: from then on its session gets every one. */
async function subscribed(
  { broker, timeline, options }: FlowDeps,
  program: Program,
  table: Table,
): Promise<void> {
  const endMs = performance.now() + START_MS;
  while ((await table.rows()) === 0) {
    program.mustRun();
    if (performance.now() > endMs) throw new Error(`no message is stored within a minute: ${program.said}`);
    await queueMessages(broker, 1, timeline.take(1), seededRandom(options.seed));
    await sleep(SLOWEST_POLL_MS);
  }
  // Messages under way when the first one was stored.
  for (let last = -1, now = await table.rows(); now !== last; last = now, now = await table.rows())
    await sleep(10 * SLOWEST_POLL_MS);
}

/** The rows that a program writes. */
class Table {
  readonly #db: pg.Client;
  readonly #name: string;

  constructor(db: pg.Client, { table }: PeerSetup) {
    this.#db = db;
    this.#name = table;
  }

  async rows(): Promise<number> {
    const { rows } = await this.#db.query<{ rows: number }>(
      `SELECT count(*)::int AS rows FROM ${this.#name}`,
    );
    return rows[0]?.rows ?? 0;
  }

  /** Looks rarely while many are missing: counting takes the server's time. */
  async until(count: number, program: Program): Promise<void> {
    const beganMs = performance.now();
    const first = await this.rows();
    for (let now = first; now < count; now = await this.rows()) {
      program.mustRun();
      const elapsedMs = performance.now() - beganMs;
      if (elapsedMs > RUN_MS) throw new Error(`${count - now} messages are not stored: ${program.said}`);
      const leftMs = now === first ? SLOWEST_POLL_MS : (elapsedMs * (count - now)) / (now - first);
      await sleep(Math.min(SLOWEST_POLL_MS, Math.max(FASTEST_POLL_MS, leftMs / 2)));
    }
  }
}

/** The rounds of fieldwatch against those of a peer. */
export function peerFigures(
  messages: number,
  { peer, label }: Installed,
  ours: readonly PeerRun[],
  theirs: readonly PeerRun[],
): readonly Figure[] {
  const figure = (
    measure: string,
    unit: string,
    of: (run: PeerRun) => number,
    better: 'more' | 'less',
    more: Pick<Figure, 'target' | 'note'> = {},
  ): Figure => {
    const [runs, peerRuns] = [ours.map(of), theirs.map(of)];
    const [value, reference] = [median(runs), median(peerRuns)];
    return {
      part: 'peers',
      ...{ measure, unit, value, runs, ...more },
      reference: { what: label, unit, value: reference, runs: peerRuns },
      ratio: better === 'more' ? value / reference : reference / value,
    };
  };
  const count = formatNumber(messages);
  return [
    figure('messages to committed rows', 'messages/s', ({ live: { perSecond } }) => perSecond, 'more', {
      note: `fieldwatch: ${fieldwatch.settings}. ${label}: ${peer.settings}. Both are processes that are measured from outside; ratio: how many times better fieldwatch is`,
    }),
    figure('CPU per 100,000 messages', 's', ({ live: { cpuPer100k } }) => cpuPer100k, 'less', {
      ...(peer === telegraf ? { target: TIMES_TELEGRAF } : {}),
    }),
    figure('peak memory, live', 'MB', ({ live: { peakMegabytes } }) => peakMegabytes, 'less'),
    figure(
      `${count} waiting at the broker, from start to stored`,
      's',
      ({ backlog: { seconds } }) => seconds,
      'less',
    ),
    figure('peak memory, backlog', 'MB', (run) => run.backlog.peakMegabytes, 'less'),
  ];
}
