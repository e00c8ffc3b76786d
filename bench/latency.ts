import { randomBytes } from 'node:crypto';
import { Child } from './children.ts';
import { daemonConfigText } from './daemon-config.ts';
import type { FlowDeps } from './flow.ts';
import type { LatencyJob, LatencyReport, PublishJob, PublishReport } from './jobs.ts';
import type { Figure } from './report.ts';
import { createSession, removeSession } from './session.ts';

const RATES = [1000, 10_000] as const;
const WARM_UP_SECONDS = 1;
const START_MS = 30_000;
const DRAIN_MS = 120_000;
const PER = 100_000;

type Done = Extract<LatencyReport, { kind: 'done' }>;

/** (d) From the moment a message is due to be published to its commit, at a given rate. */
export async function benchLatency(deps: FlowDeps): Promise<readonly Figure[]> {
  const figures = [];
  for (const rate of RATES) {
    deps.progress(`(d) latency at ${rate.toLocaleString('en-US')} messages/s`);
    figures.push(...(await atRate(deps, rate)));
  }
  return figures;
}

async function atRate(deps: FlowDeps, rate: number): Promise<readonly Figure[]> {
  const { options, broker, databaseUrl, stateDir, cleanup } = deps;
  const clientId = `fieldwatch-bench-${randomBytes(4).toString('hex')}`;
  const config = daemonConfigText({ databaseUrl, broker, clientId, stateDir });
  const skip = rate * WARM_UP_SECONDS;
  const messages = skip + rate * options.sizes.latencySeconds;
  const daemon = new Child<LatencyJob, LatencyReport>('latency-daemon', cleanup);
  const publisher = new Child<PublishJob, PublishReport>('latency-publisher', cleanup);
  await createSession(broker, clientId);
  try {
    await daemon.ask({ config, expected: messages, skip }, START_MS);
    const published = await publisher.ask(
      { broker, ratePerSecond: rate, messages, seed: options.seed },
      DRAIN_MS,
    );
    const done = (await daemon.next(DRAIN_MS)) as Done;
    if (done.stalled) throw new Error(`(d) only ${done.messages + skip} of ${messages} messages were stored`);
    return figuresOf(rate, options.sizes.latencySeconds, done, published);
  } finally {
    await Promise.all([daemon.end(), publisher.end()]);
    await removeSession(broker, clientId);
  }
}

function figuresOf(
  rate: number,
  seconds: number,
  done: Done,
  { maxLateMs }: PublishReport,
): readonly Figure[] {
  const at = `at ${rate.toLocaleString('en-US')} messages/s`;
  const figure = (name: string, value: number, note?: string): Figure => ({
    part: 'd',
    measure: `publish to commit, ${name}, ${at}`,
    unit: 'ms',
    value,
    runs: [value],
    ...(note === undefined ? {} : { note }),
  });
  const cpu = ((done.cpuSeconds * PER) / (rate * (WARM_UP_SECONDS + seconds))).toFixed(2);
  const note = `${at}: longest ${Math.round(done.maxMs)} ms, publisher at most ${maxLateMs} ms behind its schedule; the daemon used ${cpu} s of CPU per 100,000`;
  return [figure('p50', done.p50Ms), figure('p99', done.p99Ms, note)];
}
