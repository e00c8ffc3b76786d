import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/adapters/log/logger.ts';
import { CleanupStack } from '../src/lib/cleanup-stack.ts';
import { checkAlerts } from './check/alerts.ts';
import { checkReadings, countStored } from './check/readings.ts';
import { type Violation, found } from './check/violation.ts';
import { becomes } from '../test/support/eventually.ts';
import type { Fault, Stage } from './fault/fault.ts';
import { faultsFor } from './fault/index.ts';
import { Injector } from './injector.ts';
import type { ChaosOptions } from './options.ts';
import { Publishers } from './publishers.ts';
import type { ChaosResult } from './result.ts';
import { type PlannedFault, planFaults } from './schedule.ts';
import type { Scraper } from './scraper.ts';
import { setStage } from './stage.ts';

/** All of the settling: publishers, what is queued, the orderly end of the daemon. */
const SETTLE_MS = 60_000;
const FINISH_MS = 20_000;
const START_MS = 60_000;

export interface RunContext {
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** One run, from empty folders to the verdict. Rejects when it could not be carried out or was interrupted. */
export async function runChaos(options: ChaosOptions, context: RunContext): Promise<ChaosResult> {
  const cleanup = new CleanupStack(silentLogger);
  // Every fault under way waits for it.
  setMaxListeners(0, context.signal);
  const dir = await mkdtemp(join(tmpdir(), 'fieldwatch-chaos-'));
  const run = new ChaosRun(options, context, dir, cleanup);
  let keep = options.keep;
  const aborted = new Promise<never>((_, reject) => {
    context.signal.addEventListener('abort', () => reject(context.signal.reason as Error), { once: true });
  });
  try {
    const result = await Promise.race([run.run(), aborted]);
    // The data that is needed to find the cause.
    keep ||= result.violations.length > 0;
    return { ...result, folder: keep ? dir : undefined };
  } finally {
    run.keep = options.keep;
    // Interrupted in the middle of a start: what is being acquired must be released, too.
    await run.started;
    await cleanup.releaseAll();
    if (!keep) await rm(dir, { recursive: true, force: true });
  }
}

class ChaosRun {
  keep = false;
  /** Resolves when nothing more is acquired. */
  started: Promise<unknown> = Promise.resolve();
  private readonly options: ChaosOptions;
  private readonly context: RunContext;
  private readonly dir: string;
  private readonly cleanup: CleanupStack;
  private readonly violations: Violation[] = [];

  constructor(options: ChaosOptions, context: RunContext, dir: string, cleanup: CleanupStack) {
    this.options = options;
    this.context = context;
    this.dir = dir;
    this.cleanup = cleanup;
  }

  async run(): Promise<Omit<ChaosResult, 'folder'>> {
    const { options, context } = this;
    const backend = options.databaseUrl === undefined ? 'embedded' : 'server';
    const plan = planFaults(faultsFor(backend, options.only), options);
    context.progress(`${plan.length} faults planned; logs in ${this.dir}`);
    const starting = this.start();
    this.started = starting.catch(() => undefined);
    const { stage, scraper } = await starting;
    const { daemon, database } = stage;
    const publishers = new Publishers(stage.broker.url, { baseMs: Date.now(), rate: options.rate });
    this.cleanup.add('publishers', () => publishers.close());
    await publishers.start();
    const injector = new Injector(stage, context.progress);
    await injector.run(plan, options.seconds * 1000);
    const began = performance.now();
    await this.settle(stage, publishers, scraper);
    const settleMs = Math.round(performance.now() - began);
    context.progress(`settled after ${settleMs} ms; comparing`);
    const alerts = await this.compare(stage, publishers, injector);
    const stored = await countStored(database.url);
    if (scraper.scrapes === 0) this.violate('conservation was never seen: no scrape', '');
    return {
      ...{ seed: options.seed, seconds: options.seconds, rate: options.rate, database: backend },
      ...{ sent: publishers.count, stored, episodes: alerts, scrapes: scraper.scrapes, settleMs },
      daemon: { starts: daemon.starts, failedStarts: daemon.failedStarts },
      ...{ planned: countKinds(plan), faults: injector.records },
      troubles: Object.fromEntries(daemon.log.troubles),
      violations: this.violations,
    };
  }

  private async start(): Promise<Awaited<ReturnType<typeof setStage>>> {
    const { signal } = this.context;
    const set = await setStage({
      ...{ options: this.options, dir: this.dir, signal, cleanup: this.cleanup },
      keeps: () => this.keep,
      onViolation: (what, evidence) => this.violate(what, evidence),
    });
    const { daemon } = set.stage;
    // Messages that are published before the first subscription are kept by no session.
    if (await becomes(() => daemon.isSubscribed, { withinMs: START_MS, signal })) return set;
    throw new Error(`the daemon did not start: ${daemon.log.textSince(0).slice(-1000)}`);
  }

  private async compare({ database, daemon }: Stage, { sent }: Publishers, { records }: Injector) {
    const { url } = database;
    this.violations.push(...(await checkReadings(url, sent, records)));
    const alerts = await checkAlerts(url, sent);
    this.violations.push(...alerts.violations);
    this.violations.push(...found('suspicious lines in the log', daemon.log.suspects));
    return { expected: alerts.expected, resolved: alerts.resolved };
  }

  /** Faults are over: the rest is published, stored, acknowledged; then the daemon ends in order. */
  private async settle(stage: Stage, publishers: Publishers, scraper: Scraper): Promise<void> {
    const { signal, progress } = this.context;
    const end = performance.now() + SETTLE_MS;
    const left = () => Math.max(0, end - performance.now());
    progress('faults are over; settling');
    if (!(await publishers.finish(FINISH_MS))) {
      this.violate(`the broker did not take all messages in ${FINISH_MS / 1000} s`, '');
    }
    const { count } = publishers;
    const allThere = async () => (await countStored(stage.database.url)) >= count;
    if (!(await becomes(allThere, { withinMs: left(), signal }))) {
      this.violate(`not all was stored ${SETTLE_MS / 1000} s after the faults`, JSON.stringify(scraper.last));
    }
    const idle = () => stage.daemon.isReady && scraper.last?.['in_flight'] === 0;
    if (!(await becomes(idle, { withinMs: left(), signal }))) {
      this.violate('the daemon does not come to rest', JSON.stringify(scraper.last));
    }
    await scraper.stop();
    await stage.daemon.close('SIGTERM');
  }

  private violate(what: string, evidence: string): void {
    // What happens while it is taken apart says nothing.
    if (this.context.signal.aborted) return;
    this.violations.push({ what, evidence: evidence === '' ? [] : [evidence] });
  }
}

function countKinds(plan: readonly PlannedFault<Fault>[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { fault } of plan) counts[fault.kind] = (counts[fault.kind] ?? 0) + 1;
  return counts;
}
