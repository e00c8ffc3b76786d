import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { eventually } from '../test/support/eventually.ts';
import { Child } from './children.ts';
import { daemonConfigText } from './daemon-config.ts';
import type { FlowDeps } from './flow.ts';
import type { MemberJob, MemberReport, PublishJob, PublishReport } from './jobs.ts';
import type { Figure } from './report.ts';
import { cpuSecondsOf, postmasterOf } from './server-cpu.ts';
import { createSession, removeSession } from './session.ts';

const MEMBERS = [1, 2, 4, 8] as const;
const RATE = 5000;
const WARM_UP = 3 * RATE;
const PER = 100_000;
const START_MS = 60_000;
const RUN_MS = 180_000;
const POLL_MS = 250;
/** The most CPU that a group may take, times that of one daemon without a group. */
const MOST: Readonly<Record<number, number>> = { 1: 1.1, 2: 1.5 };

/** Resources of one run, for each 100,000 messages. */
export interface ScaleRun {
  /** 0: one daemon without a group. */
  readonly members: number;
  readonly membersCpu: number;
  readonly databaseCpu: number;
  readonly brokerCpu: number;
  /** Memory of the largest member. */
  readonly peakMegabytes: number;
  /** From the first message to the last row and its evaluation. */
  readonly seconds: number;
}

/** (scale) One daemon, then share groups of several, at one total rate: what each message costs in all. */
export async function benchScaling(deps: FlowDeps): Promise<readonly Figure[]> {
  const messages = deps.options.quick ? WARM_UP : PER;
  const runs: ScaleRun[] = [];
  for (const members of [0, ...MEMBERS]) {
    deps.progress(
      `(scale) ${members === 0 ? 'one daemon' : `a share group of ${members}`}, ${RATE} messages/s`,
    );
    runs.push(await once(deps, members, messages));
  }
  return figuresOf(runs);
}

type Member = Child<MemberJob, MemberReport>;

async function once(deps: FlowDeps, members: number, messages: number): Promise<ScaleRun> {
  const { options, broker, databaseUrl, stateDir, cleanup } = deps;
  const run = randomBytes(4).toString('hex');
  const ids = Array.from({ length: Math.max(1, members) }, (_, n) => `fieldwatch-bench-${run}-${n}`);
  const group = members === 0 ? undefined : `bench-${run}`;
  const publisher = new Child<PublishJob, PublishReport>('latency-publisher', cleanup);
  const daemons = ids.map((): Member => new Child('scale-member', cleanup));
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  const postmaster = await postmasterOf(databaseUrl);
  try {
    if (group === undefined) for (const id of ids) await createSession(broker, id);
    await Promise.all(
      daemons.map((daemon, n) => {
        const clientId = ids[n] as string;
        const place = { databaseUrl, broker, clientId, stateDir: join(stateDir, clientId) };
        return daemon.ask({ config: daemonConfigText({ ...place, shareGroup: group }) }, START_MS);
      }),
    );
    const publish = (count: number) =>
      publisher.ask({ broker, ratePerSecond: RATE, messages: count, seed: options.seed }, RUN_MS);
    await publish(WARM_UP);
    await settled(daemons, database, WARM_UP);
    const used = async () => ({
      ...totalOf(await totals(daemons)),
      database: cpuSecondsOf(postmaster),
      broker: cpuSecondsOf(broker.pid),
    });
    const before = await used();
    const startMs = performance.now();
    await publish(messages);
    await settled(daemons, database, WARM_UP + messages);
    const seconds = (performance.now() - startMs) / 1000;
    const after = await used();
    const per = (of: 'cpu' | 'database' | 'broker') => ((after[of] - before[of]) * PER) / messages;
    return {
      members,
      membersCpu: per('cpu'),
      databaseCpu: per('database'),
      brokerCpu: per('broker'),
      peakMegabytes: after.peak,
      seconds,
    };
  } finally {
    await Promise.all([...daemons, publisher].map((child) => child.end()));
    for (const id of ids) await removeSession(broker, id);
    await database.end();
  }
}

const totals = (daemons: readonly Member[]) => Promise.all(daemons.map((daemon) => daemon.ask({}, START_MS)));

const totalOf = (reports: readonly MemberReport[]) => ({
  stored: reports.reduce((sum, { stored }) => sum + stored, 0),
  cpu: reports.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
  peak: Math.max(...reports.map(({ peakMegabytes }) => peakMegabytes)),
});

/** Every message is a row, and what was handed over to another member is evaluated. */
async function settled(daemons: readonly Member[], database: pg.Client, expected: number): Promise<void> {
  const isSettled = async () =>
    totalOf(await totals(daemons)).stored >= expected && (await handedOver(database)) === 0;
  const what = `(scale) ${expected} messages are stored`;
  await eventually(what, isSettled, { withinMs: RUN_MS, everyMs: POLL_MS });
}

async function handedOver(database: pg.Client): Promise<number> {
  const { rows } = await database.query<{ rows: number }>('SELECT count(*)::int AS rows FROM alert_handover');
  return rows[0]?.rows ?? 0;
}

export function figuresOf(runs: readonly ScaleRun[]): readonly Figure[] {
  const alone = runs.find(({ members }) => members === 0);
  if (alone === undefined) return [];
  return runs.map((run): Figure => {
    const { members, membersCpu: value } = run;
    const at = members === 0 ? 'one daemon' : `group of ${members}`;
    const most = MOST[members];
    const figure = {
      part: 'scale',
      measure: `${at}: CPU of the members per 100,000 messages`,
      unit: 's',
      value,
      runs: [value],
      note: `${at}: database ${shown(run.databaseCpu)} s, broker ${shown(run.brokerCpu)} s per 100,000; largest member ${Math.round(run.peakMegabytes)} MB; ${run.seconds.toFixed(1)} s`,
    } as const;
    if (members === 0) return figure;
    const reference = { what: 'one daemon', unit: 's', value: alone.membersCpu, runs: [alone.membersCpu] };
    const ratio = alone.membersCpu / value;
    return {
      ...figure,
      reference,
      ratio,
      ...(most === undefined ? {} : { target: Number((1 / most).toFixed(2)) }),
    };
  });
}

const shown = (seconds: number) => (Number.isNaN(seconds) ? '?' : seconds.toFixed(2));
