import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { CleanupStack } from '../src/lib/cleanup-stack.ts';
import type { BenchBroker } from './broker.ts';
import type { Budget } from './budget.ts';
import { Child } from './children.ts';
import { type DaemonPlace, daemonConfigText } from './daemon-config.ts';
import type { DrainAnswer, DrainJob, DrainReport } from './jobs.ts';
import type { BenchOptions } from './options.ts';
import { createSession, removeSession } from './session.ts';
import type { Timeline } from './workload.ts';

/** Long enough for a slow machine; whatever takes longer is stuck. */
export const RUN_MS = 180_000;

export interface FlowDeps {
  readonly options: BenchOptions;
  readonly broker: BenchBroker;
  readonly databaseUrl: string;
  readonly stateDir: string;
  readonly timeline: Timeline;
  readonly cleanup: CleanupStack;
  readonly budget: Budget;
  readonly progress: (text: string) => void;
}

/** Live flow, and a backlog that is drained. */
export type ThroughputPart = 'c' | 'c2';
/** With the daemon alone, and with other settings of itself. */
export type FlowPart = ThroughputPart | 'k';

/** The subscriber that only counts, and the daemon. */
export type Side = 'drain-bare' | 'drain-daemon';

export interface FlowRun {
  readonly report: DrainReport;
  /** Messages that the broker acknowledged to the publisher, of a live flow. */
  readonly publishedPerSecond?: number;
}

type Subscriber = Child<DrainJob, DrainAnswer>;

interface Place {
  readonly child: Subscriber;
  readonly clientId: string;
  readonly config: string;
}

/** A new process and a new persistent session for one run of one side; both are gone after it. */
export async function onSide(
  { broker, databaseUrl, stateDir, cleanup }: FlowDeps,
  side: Side,
  run: (place: Place) => Promise<FlowRun>,
  more: Pick<DaemonPlace, 'allowedLateness'> = {},
): Promise<FlowRun> {
  const clientId = `fieldwatch-bench-${randomBytes(4).toString('hex')}`;
  const config = daemonConfigText({ databaseUrl, broker, clientId, stateDir, ...more });
  const child: Subscriber = new Child(side, cleanup);
  await createSession(broker, clientId);
  try {
    return await run({ child, clientId, config });
  } finally {
    await child.end();
    await removeSession(broker, clientId);
  }
}

/** The subscriber's report, which must say that every message came, and that the daemon stored each. */
export async function wholly(
  part: FlowPart,
  child: Subscriber,
  side: Side,
  expected: number,
): Promise<DrainReport> {
  const answer = await child.next(RUN_MS);
  if (answer.kind !== 'done') throw new Error(`(${part}) ${side} connected again in the middle of the run`);
  const { report } = answer;
  if (report.stalled || report.received !== expected) {
    throw new Error(
      `(${part}) ${side} got ${report.received} of ${expected} messages: does the broker limit its queue ` +
        '(mosquitto: max_queued_messages)?',
    );
  }
  if (side === 'drain-daemon' && report.stored !== expected) {
    throw new Error(`(${part}) ${report.stored} rows were stored of ${expected} messages`);
  }
  return report;
}

/** Where a run leaves its CPU profile, if that was asked for. */
export function profiled(
  { profileDir }: BenchOptions,
  part: FlowPart,
  clientId: string,
): Pick<DrainJob, 'profileFile'> {
  return profileDir === undefined
    ? {}
    : { profileFile: join(resolve(profileDir), `${part}-${clientId}.cpuprofile`) };
}
