import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { Child } from './children.ts';
import { daemonConfigText } from './daemon-config.ts';
import type { FlowDeps } from './flow.ts';
import type { MemberJob, MemberReport } from './jobs.ts';
import type { Figure } from './report.ts';
import { cpuSecondsOf, postmasterOf } from './server-cpu.ts';
import { queueMessages, removeSession } from './session.ts';
import { seeded } from './workload.ts';

const SENSORS = 900;
/** Between two readings of a sensor: 60,000 readings a second by their own times, so that nearly all of them wait at once. */
const INTERVAL_MS = 15;
const WARM_UP = 20_000;
const PER = 100_000;
const START_MS = 60_000;
const RUN_MS = 120_000;
const POLL_MS = 20;
/** What waits for earlier readings is evaluated after two seconds, and looked at two seconds later. */
const EVALUATED_AFTER_MS = 5000;

/** What one side is: a daemon or a share group, and what `alerts.allowed_lateness` it has; absent: the default. */
interface Side {
  readonly name: string;
  readonly members: number;
  readonly group: boolean;
  readonly lateness?: string;
}

const PLAIN: Side = { name: 'one daemon', members: 1, group: false, lateness: '0s' };
const SIDES: readonly Side[] = [
  PLAIN,
  { name: 'one daemon, allowed_lateness 2s', members: 1, group: false, lateness: '2s' },
  { name: 'group of 1', members: 1, group: true },
  { name: 'group of 2', members: 2, group: true },
];

export interface BacklogRun {
  readonly name: string;
  readonly perSecond: number;
  readonly membersCpu: number;
  readonly databaseCpu: number;
  readonly peakMegabytes: number;
  readonly batches: number;
}

type Member = Child<MemberJob, MemberReport>;

/** (backlog) A backlog of 100,000 messages, drained by one daemon, with lateness, and by share groups of one and two. */
export async function benchGroupBacklog(deps: FlowDeps): Promise<readonly Figure[]> {
  const runs: BacklogRun[] = [];
  for (const side of SIDES) {
    deps.progress(`(backlog) a backlog, ${side.name}`);
    runs.push(await once(deps, side));
  }
  return backlogFigures(runs);
}

async function once(deps: FlowDeps, side: Side): Promise<BacklogRun> {
  const { options, broker, databaseUrl, stateDir, timeline, releasers } = deps;
  const run = randomBytes(4).toString('hex');
  const shareGroup = side.group ? `backlog-${run}` : undefined;
  const ids = Array.from({ length: side.members }, (_, n) => `fieldwatch-backlog-${run}-${n}`);
  const daemons = ids.map((): Member => new Child('scale-member', releasers));
  const all = (job: MemberJob) => Promise.all(daemons.map((daemon) => daemon.ask(job, START_MS)));
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  const postmaster = await postmasterOf(databaseUrl);
  const stored = async () => (await all({})).reduce((sum, report) => sum + report.stored, 0);
  const drain = async (count: number, profileFile?: string) => {
    await all({ reads: false });
    const startMs = timeline.take(count);
    await queueMessages(broker, count, startMs, seeded(options.seed), INTERVAL_MS, SENSORS);
    await pause(1000);
    const goal = (await stored()) + count;
    const before = { members: await all({}), database: cpuSecondsOf(postmaster) };
    const beganMs = Date.now();
    await Promise.all(
      daemons.map((daemon, n) =>
        daemon.ask(
          { reads: true, profileFile: profileFile === undefined ? undefined : `${profileFile}-${n}.cpuprofile` },
          START_MS,
        ),
      ),
    );
    if (profileFile === undefined) await until(async () => (await stored()) >= goal);
    else await pause(8000);
    await until(async () => (await handedOver(database)) === 0);
    await pause(EVALUATED_AFTER_MS);
    const after = { members: await all({}), database: cpuSecondsOf(postmaster) };
    const sum = (of: 'cpuSeconds' | 'batches') =>
      after.members.reduce((total, report, n) => total + report[of] - (before.members[n]?.[of] ?? 0), 0);
    const seconds = (Math.max(...after.members.map(({ storedAtMs }) => storedAtMs)) - beganMs) / 1000;
    return {
      name: side.name,
      perSecond: count / seconds,
      membersCpu: (sum('cpuSeconds') * PER) / count,
      databaseCpu: ((after.database - before.database) * PER) / count,
      peakMegabytes: Math.max(...after.members.map(({ peakMegabytes }) => peakMegabytes)),
      batches: sum('batches'),
    };
  };
  try {
    await Promise.all(
      daemons.map((daemon, n) => {
        const clientId = ids[n] as string;
        const place = { databaseUrl, broker, clientId, stateDir: join(stateDir, clientId) };
        return daemon.ask(
          { config: daemonConfigText({ ...place, shareGroup, allowedLateness: side.lateness }) },
          START_MS,
        );
      }),
    );
    if (shareGroup !== undefined)
      await until(async () => (await owners(database, shareGroup)) === side.members);
    await drain(WARM_UP);
    await drain(WARM_UP);
    const { profileDir } = options;
    return await drain(
      options.quick ? WARM_UP : PER,
      profileDir === undefined ? undefined : join(resolve(profileDir), side.name.replaceAll(/\W+/g, '-')),
    );
  } finally {
    await Promise.all(daemons.map((child) => child.end()));
    for (const id of ids) await removeSession(broker, id);
    await database.end();
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + RUN_MS;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error('(backlog) a backlog is not drained');
    await pause(POLL_MS);
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Members with an even share of the shards. */
async function owners(database: pg.Client, group: string): Promise<number> {
  const { rows } = await database.query<{ owned: number }>(
    'SELECT count(*)::int AS owned FROM alert_shards WHERE group_name = $1 AND owner IS NOT NULL GROUP BY owner',
    [group],
  );
  return rows.every(({ owned }) => owned * rows.length === 64) ? rows.length : 0;
}

async function handedOver(database: pg.Client): Promise<number> {
  const { rows } = await database.query<{ rows: number }>('SELECT count(*)::int AS rows FROM alert_handover');
  return rows[0]?.rows ?? 0;
}

/** The most CPU that a side may take, and the least rate, times those of one daemon without lateness or a group. */
const BARS: Readonly<Record<string, { readonly cpu: number; readonly rate?: number; readonly of: string }>> = {
  'one daemon, allowed_lateness 2s': { cpu: 1.25, rate: 0.85, of: PLAIN.name },
  'group of 1': { cpu: 1.1, of: 'one daemon, allowed_lateness 2s' },
  'group of 2': { cpu: 1.5, rate: 0.75, of: PLAIN.name },
};

export function backlogFigures(runs: readonly BacklogRun[]): readonly Figure[] {
  const named = (name: string) => runs.find((run) => run.name === name);
  return runs.flatMap((run): readonly Figure[] => {
    const bar = BARS[run.name];
    const base = named(bar?.of ?? '');
    const figure = (measure: string, unit: string, of: (run: BacklogRun) => number, isCost: boolean, least?: number): Figure => ({
      part: 'backlog',
      measure: `backlog, ${run.name}: ${measure}`,
      unit,
      value: of(run),
      runs: [of(run)],
      ...(base === undefined
        ? {}
        : {
            reference: { what: base.name, unit, value: of(base), runs: [of(base)] },
            ratio: isCost ? of(base) / of(run) : of(run) / of(base),
            ...(least === undefined ? {} : { target: least }),
          }),
    });
    return [
      {
        ...figure('CPU per 100,000 messages', 's', ({ membersCpu }) => membersCpu, true, bar === undefined ? undefined : 1 / bar.cpu),
        note: `${run.name}: database ${run.databaseCpu.toFixed(2)} s per 100,000; ${run.batches} batches; largest member ${Math.round(run.peakMegabytes)} MB`,
      },
      figure('rate', 'messages/s', ({ perSecond }) => perSecond, false, bar?.rate),
    ];
  });
}
