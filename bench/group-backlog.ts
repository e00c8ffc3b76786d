import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { seededRandom } from '../src/simulator/random.ts';
import { eventually, pause } from '../test/support/eventually.ts';
import { Child } from './children.ts';
import { daemonConfigText } from './daemon-config.ts';
import type { FlowDeps } from './flow.ts';
import type { MemberJob, MemberReport } from './jobs.ts';
import type { Figure } from './report.ts';
import { cpuSecondsOf, postmasterOf } from './server-cpu.ts';
import { queueMessages, removeSession } from './session.ts';
import { median } from './stats.ts';

const SENSORS = 900;
/** Between two readings of a sensor: 60,000 readings a second by their own times, so that nearly all of them wait at once. */
const INTERVAL_MS = 15;
const PER = 100_000;
const QUICK = 20_000;
const START_MS = 60_000;
const RUN_MS = 120_000;
const POLL_MS = 20;
const SETTLED_MS = 1000;
const PROFILED_MS = 8000;
/** Readings that wait for earlier ones are evaluated after two seconds, and read two seconds later. */
const EVALUATED_AFTER_MS = 5000;

/** One side: a daemon or a share group, and what `alerts.allowed_lateness` it has; absent: the default. */
interface Side {
  readonly name: string;
  readonly members: number;
  readonly group: boolean;
  readonly lateness?: string;
}

const PLAIN: Side = { name: 'one daemon', members: 1, group: false, lateness: '0s' };
const LATE: Side = { name: 'one daemon, lateness 2s', members: 1, group: false, lateness: '2s' };
const GROUP_OF_1: Side = { name: 'group of 1', members: 1, group: true };
const GROUP_OF_2: Side = { name: 'group of 2', members: 2, group: true };
const SIDES = [PLAIN, LATE, GROUP_OF_1, GROUP_OF_2];

export interface BacklogRun {
  readonly name: string;
  readonly rounds: readonly Drained[];
}

/** One backlog, drained. CPU in seconds per 100,000 messages. */
interface Drained {
  readonly perSecond: number;
  readonly membersCpu: number;
  readonly databaseCpu: number;
  readonly peakMegabytes: number;
  readonly batches: number;
}

type Member = Child<MemberJob, MemberReport>;

/**
 * (backlog) 100,000 messages that the broker holds, drained by one daemon, with lateness, and by share groups of one and
 * two. Each round has all of them, with daemons of its own: a machine that becomes slower meanwhile is so for all.
 */
export async function benchGroupBacklog(deps: FlowDeps): Promise<readonly Figure[]> {
  const runs = SIDES.map(({ name }) => ({ name, rounds: [] as Drained[] }));
  const { runs: rounds } = deps.options.sizes;
  for (let round = 0; round < rounds; round++)
    for (const [n, side] of SIDES.entries()) {
      deps.progress(`(backlog) ${side.name}, round ${round + 1} of ${rounds}`);
      runs[n]?.rounds.push(await once(deps, side, round === rounds - 1));
    }
  return backlogFigures(runs);
}

/** `last`: the last round may be profiled. */
async function once(deps: FlowDeps, side: Side, last: boolean): Promise<Drained> {
  const { options, broker, databaseUrl, stateDir, cleanup } = deps;
  const run = randomBytes(4).toString('hex');
  const shareGroup = side.group ? `backlog-${run}` : undefined;
  const ids = Array.from({ length: side.members }, (_, n) => `fieldwatch-backlog-${run}-${n}`);
  const members = ids.map((): Member => new Child('scale-member', cleanup));
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  try {
    await runChecks(members, (n) => {
      const clientId = ids[n] as string;
      const place = { databaseUrl, broker, clientId, stateDir: join(stateDir, clientId) };
      return { config: daemonConfigText({ ...place, shareGroup, allowedLateness: side.lateness }) };
    });
    if (shareGroup !== undefined)
      await until(async () => (await owners(database, shareGroup)) === side.members);
    const place = { members, database, postmaster: await postmasterOf(databaseUrl) };
    const count = options.quick ? QUICK : PER;
    // Each member has received as much on each side, and twice what is measured: a daemon runs for months.
    for (let warmUp = 0; warmUp < 2; warmUp++) await drain(deps, place, count * side.members);
    const drained = await drain(deps, place, count);
    // Profiled messages cost more: they are in no figure.
    const profile = last ? profileOf(options, side) : undefined;
    if (profile !== undefined) await drain(deps, place, count, profile);
    return drained;
  } finally {
    await Promise.all(members.map((child) => child.end()));
    for (const id of ids) await removeSession(broker, id);
    await database.end();
  }
}

interface Place {
  readonly members: readonly Member[];
  readonly database: pg.Client;
  readonly postmaster: number | undefined;
}

const runChecks = (members: readonly Member[], jobOf: (n: number) => MemberJob) =>
  Promise.all(members.map((member, n) => member.ask(jobOf(n), START_MS)));

/** The members do not read while the broker takes the messages; measured is from then on until all is stored and evaluated. */
async function drain(
  { broker, options, timeline }: FlowDeps,
  { members, database, postmaster }: Place,
  count: number,
  profile?: string,
): Promise<Drained> {
  await runChecks(members, () => ({ reads: false }));
  await queueMessages(broker, count, timeline.take(count), seededRandom(options.seed), INTERVAL_MS, SENSORS);
  await pause(SETTLED_MS);
  const reports = () => runChecks(members, () => ({}));
  const [before, databaseBefore, startMs] = [await reports(), cpuSecondsOf(postmaster), Date.now()];
  await runChecks(members, (n) => ({
    reads: true,
    profileFile: profile === undefined ? undefined : `${profile}-${n}.cpuprofile`,
  }));
  // A member that is profiled is not asked: the answer would end the profile.
  if (profile === undefined)
    await until(async () => totalOf(await reports(), 'stored') >= totalOf(before, 'stored') + count);
  else await pause(PROFILED_MS);
  await pause(EVALUATED_AFTER_MS);
  // After the pause, as a rule once: a query at each look would count as CPU of the database.
  await until(async () => !(await isHandingOver(database)), SETTLED_MS);
  const after = await reports();
  const used = (of: 'cpuSeconds' | 'batches') => totalOf(after, of) - totalOf(before, of);
  const storedAtMs = Math.max(...after.map((report) => report.storedAtMs));
  return {
    perSecond: (1000 * count) / (storedAtMs - startMs),
    membersCpu: (used('cpuSeconds') * PER) / count,
    databaseCpu: ((cpuSecondsOf(postmaster) - databaseBefore) * PER) / count,
    peakMegabytes: Math.max(...after.map(({ peakMegabytes }) => peakMegabytes)),
    batches: used('batches'),
  };
}

const totalOf = (reports: readonly MemberReport[], of: 'stored' | 'cpuSeconds' | 'batches'): number =>
  reports.reduce((sum, report) => sum + report[of], 0);

const profileOf = ({ profileDir }: FlowDeps['options'], { name }: Side): string | undefined =>
  profileDir === undefined ? undefined : join(resolve(profileDir), name.replaceAll(/\W+/g, '-'));

const until = (isSo: () => Promise<boolean>, everyMs = POLL_MS) =>
  eventually('(backlog) a backlog is drained', isSo, { withinMs: RUN_MS, everyMs });

/** Members with an even share of the shards. */
async function owners(database: pg.Client, group: string): Promise<number> {
  const { rows } = await database.query<{ owned: number }>(
    'SELECT count(*)::int AS owned FROM alert_shards WHERE group_name = $1 AND owner IS NOT NULL GROUP BY owner',
    [group],
  );
  return rows.every(({ owned }) => owned * rows.length === 64) ? rows.length : 0;
}

async function isHandingOver(database: pg.Client): Promise<boolean> {
  return (await database.query('SELECT FROM alert_handover LIMIT 1')).rows.length > 0;
}

/** The most CPU that a side may take, and the least rate, times those of another side of the same run. */
const BARS: Readonly<
  Record<string, { readonly cpu: number; readonly rate?: number; readonly than: string }>
> = {
  [LATE.name]: { cpu: 1.25, rate: 0.85, than: PLAIN.name },
  [GROUP_OF_1.name]: { cpu: 1.1, than: LATE.name },
  [GROUP_OF_2.name]: { cpu: 1.5, rate: 0.75, than: PLAIN.name },
};

export function backlogFigures(runs: readonly BacklogRun[]): readonly Figure[] {
  return runs.flatMap(({ name, rounds }): readonly Figure[] => {
    const bar = BARS[name];
    const base = runs.find((other) => other.name === bar?.than);
    const side = (measured: readonly Drained[], of: keyof Drained) => {
      const values = measured.map((round) => round[of]);
      return { value: median(values), runs: values };
    };
    const figure = (
      measure: string,
      unit: string,
      of: keyof Drained,
      compared: (value: number, reference: number) => number,
      target: number | undefined,
    ): Figure => {
      const own = side(rounds, of);
      const found: Figure = { part: 'backlog', measure: `${name}: ${measure}`, unit, ...own };
      if (base === undefined) return found;
      const reference = { what: base.name, unit, ...side(base.rounds, of) };
      // Over the rounds, each with its own reference.
      const ratio = median(own.runs.map((value, n) => compared(value, reference.runs[n] ?? NaN)));
      return {
        ...found,
        reference,
        ratio,
        ...(target === undefined ? {} : { target: Number(target.toFixed(2)) }),
      };
    };
    const [databaseCpu, batches, peak] = (['databaseCpu', 'batches', 'peakMegabytes'] as const).map(
      (of) => side(rounds, of).value,
    );
    return [
      {
        ...figure(
          'CPU of the members per 100,000',
          's',
          'membersCpu',
          (cpu, than) => than / cpu,
          bar && 1 / bar.cpu,
        ),
        note: `${name}: database ${databaseCpu?.toFixed(2)} s per 100,000; ${batches} batches; largest member ${Math.round(peak ?? NaN)} MB`,
      },
      figure('rate', 'messages/s', 'perSecond', (rate, than) => rate / than, bar?.rate),
    ];
  });
}
