import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { Releasers } from '../src/releasers.ts';
import type { BenchBroker } from './broker.ts';
import type { Budget } from './budget.ts';
import { Child } from './children.ts';
import { daemonConfigText } from './daemon-config.ts';
import type { DrainJob, DrainReport } from './jobs.ts';
import type { BenchOptions } from './options.ts';
import type { Figure } from './report.ts';
import { createSession, queueMessages, removeSession } from './session.ts';
import { median } from './stats.ts';
import { seeded, type Timeline } from './workload.ts';

const TARGET = 0.75;
const DRAIN_MS = 180_000;
const PER = 100_000;

export interface DrainDeps {
  readonly options: BenchOptions;
  readonly broker: BenchBroker;
  readonly databaseUrl: string;
  readonly stateDir: string;
  readonly timeline: Timeline;
  readonly releasers: Releasers;
  readonly budget: Budget;
  readonly progress: (text: string) => void;
}

type Side = 'drain-bare' | 'drain-daemon';

/**
 * (c) and (e): a persistent session with N queued QoS 1 messages, drained by the bare subscriber and by the daemon in
 * turn. Each drain has a process of its own, which first drains a smaller queue to be warm: a daemon runs for months.
 */
export async function benchDraining(deps: DrainDeps): Promise<{ readonly c: Figure; readonly e: Figure }> {
  const { sizes } = deps.options;
  const bare: DrainReport[] = [];
  const ours: DrainReport[] = [];
  for (let run = 0; run < sizes.runs; run++) {
    if (run > 0 && deps.budget.spent) break;
    // Each goes first every other time.
    const sides: Side[] = run % 2 === 0 ? ['drain-bare', 'drain-daemon'] : ['drain-daemon', 'drain-bare'];
    for (const side of sides) {
      deps.progress(`(c) ${side}, run ${run + 1} of ${sizes.runs}`);
      (side === 'drain-bare' ? bare : ours).push(await drainOnce(deps, side));
    }
  }
  return { c: throughput(sizes.drainMessages, ours, bare), e: cpu(sizes.drainMessages, ours, bare) };
}

async function drainOnce(deps: DrainDeps, side: Side): Promise<DrainReport> {
  const { options, broker, databaseUrl, stateDir, releasers } = deps;
  const clientId = `fieldwatch-bench-${randomBytes(4).toString('hex')}`;
  const config = daemonConfigText({ databaseUrl, broker, clientId, stateDir });
  const child = new Child<DrainJob, DrainReport>(side, releasers);
  await createSession(broker, clientId);
  try {
    const { drainWarmUp, drainMessages } = options.sizes;
    await drain(deps, child, side, { config, expected: drainWarmUp });
    return await drain(deps, child, side, {
      config,
      expected: drainMessages,
      ...(options.profileDir === undefined ? {} : { profileFile: profileFile(options.profileDir, clientId) }),
    });
  } finally {
    await child.end();
    await removeSession(broker, clientId);
  }
}

async function drain(
  { options, broker, timeline }: DrainDeps,
  child: Child<DrainJob, DrainReport>,
  side: Side,
  job: DrainJob,
): Promise<DrainReport> {
  const { expected } = job;
  await queueMessages(broker, expected, timeline.take(expected), seeded(options.seed));
  const report = await child.ask(job, DRAIN_MS);
  if (report.stalled || report.received !== expected) {
    throw new Error(
      `(c) ${side} got ${report.received} of ${expected} queued messages: does the broker limit its queue ` +
        '(mosquitto: max_queued_messages)?',
    );
  }
  if (side === 'drain-daemon' && report.stored !== expected) {
    throw new Error(`(c) ${report.stored} rows were stored of ${expected} messages`);
  }
  return report;
}

const profileFile = (dir: string, clientId: string) => join(resolve(dir), `${clientId}.cpuprofile`);

function throughput(messages: number, ours: readonly DrainReport[], bare: readonly DrainReport[]): Figure {
  const rate = ({ seconds }: DrainReport) => messages / seconds;
  const [runs, bareRuns] = [ours.map(rate), bare.map(rate)];
  const [value, reference] = [median(runs), median(bareRuns)];
  return {
    part: 'c',
    measure: 'QoS 1 messages to committed rows',
    unit: 'messages/s',
    value,
    runs,
    reference: { what: 'bare MQTT.js', unit: 'messages/s', value: reference, runs: bareRuns },
    ratio: value / reference,
    target: TARGET,
    note: limits(ours),
  };
}

/** What held it up: near 100 %, a commit in flight means the database, and a busy process means the daemon. */
function limits(ours: readonly DrainReport[]): string {
  const share = (part: (report: DrainReport) => number) =>
    Math.round(100 * median(ours.map((report) => part(report) / report.seconds)));
  const committing = share(({ commitSeconds }) => commitSeconds);
  const busy = share(({ cpuSeconds }) => cpuSeconds);
  return `alert rules active; a commit was in flight ${committing} % of the time, the daemon used ${busy} % of a core`;
}

function cpu(messages: number, ours: readonly DrainReport[], bare: readonly DrainReport[]): Figure {
  const per100k = ({ cpuSeconds }: DrainReport) => (cpuSeconds * PER) / messages;
  const [runs, bareRuns] = [ours.map(per100k), bare.map(per100k)];
  return {
    part: 'e',
    measure: 'CPU per 100,000 messages',
    unit: 's',
    value: median(runs),
    runs,
    reference: { what: 'bare MQTT.js', unit: 's', value: median(bareRuns), runs: bareRuns },
    note: "user and system time of the daemon's process in (c); broker and database come on top",
  };
}
