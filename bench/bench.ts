import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/adapters/log/logger.ts';
import { CleanupStack } from '../src/lib/cleanup-stack.ts';
import { benchAlerting } from './alerting.ts';
import { type BenchBroker, NoBroker, openBenchBroker } from './broker.ts';
import { Budget } from './budget.ts';
import { type BenchDatabase, openBenchDatabase } from './database.ts';
import { benchDecoding } from './decoding.ts';
import { benchEncoding } from './encoding.ts';
import type { FlowDeps, ThroughputPart } from './flow.ts';
import { benchGroupBacklog } from './group-backlog.ts';
import { benchExporting } from './exporting.ts';
import { benchImporting } from './importing.ts';
import { benchHandingOver } from './handing-over.ts';
import { benchInserting, comparedTo } from './inserting.ts';
import { benchLatency } from './latency.ts';
import { type EngineFacts, type MachineFacts, engineFacts, machineFacts } from './machine.ts';
import { type BenchOptions, PARTS, type Part } from './options.ts';
import { benchRefusing } from './refusing.ts';
import { benchPeers } from './peers.ts';
import { type Figure, type Skipped, type Verdict, verdictOf } from './report.ts';
import { benchScaling } from './scaling.ts';
import { benchCommands, benchRest } from './start.ts';
import { benchStoring } from './storing.ts';
import { benchThroughput } from './throughput.ts';
import { benchVerifying } from './verifying.ts';
import { benchWatched } from './watched.ts';
import { benchWaiting } from './waiting.ts';
import { Timeline } from './workload.ts';

export interface BenchResult {
  readonly startedAt: string;
  readonly seconds: number;
  readonly quick: boolean;
  readonly seed: number;
  readonly sizes: BenchOptions['sizes'];
  readonly machine: MachineFacts;
  readonly engines: EngineFacts;
  readonly figures: readonly (Figure & { readonly verdict?: Verdict })[];
  readonly skipped: readonly Skipped[];
}

export interface BenchDeps {
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Runs the chosen parts one after the other; whatever was started is gone when it resolves or rejects. */
export async function runBench(options: BenchOptions, deps: BenchDeps): Promise<BenchResult> {
  const cleanup = new CleanupStack(silentLogger);
  const startedAt = new Date().toISOString();
  const machine = machineFacts();
  const budget = new Budget(options.sizes.softLimitSeconds - 3 * options.sizes.latencySeconds);
  const run = new Run(options, deps, cleanup, budget);
  try {
    await Promise.race([run.all(), stopped(deps.signal), overdue(options.sizes.hardLimitSeconds)]);
  } finally {
    await cleanup.releaseAll();
  }
  const { quick, seed, sizes } = options;
  const facts = { startedAt, seconds: budget.elapsedSeconds, quick, seed, sizes };
  return {
    ...facts,
    machine,
    engines: engineFacts(run.engines),
    figures: run.report(),
    skipped: run.skipped,
  };
}

/** One run: what the parts need is opened when the first of them asks for it. */
class Run {
  engines: Partial<EngineFacts> = {};
  readonly skipped: Skipped[] = [];
  readonly #figures: Figure[] = [];
  readonly #options: BenchOptions;
  readonly #deps: BenchDeps;
  readonly #cleanup: CleanupStack;
  readonly #budget: Budget;
  readonly #timeline = new Timeline(Date.now());
  #database: BenchDatabase | undefined;

  constructor(options: BenchOptions, deps: BenchDeps, cleanup: CleanupStack, budget: Budget) {
    this.#options = options;
    this.#deps = deps;
    this.#cleanup = cleanup;
    this.#budget = budget;
  }

  async all(): Promise<void> {
    if (this.#wants('a')) this.#encoding();
    if (this.#wants('i')) this.#decoding();
    if (this.#wants('g')) await this.#alerting();
    if (this.#wants('b')) await this.#storing();
    if (this.#wants('f')) await this.#inserting();
    if (this.#wants('c', 'c2', 'd', 'e')) await this.#messages();
    if (this.#wants('h')) await this.#verifying();
    if (this.#wants('j')) await this.#refusing();
    if (this.#wants('k')) await this.#waiting();
    if (this.#wants('scale', 'backlog')) await this.#scaling();
    if (this.#wants('handover')) await this.#handingOver();
    if (this.#wants('start')) await this.#starting();
    if (this.#wants('watched')) await this.#watched();
    if (this.#wants('peers')) await this.#peers();
    if (this.#wants('export')) await this.#exporting();
    if (this.#wants('import') || this.#wants('record')) await this.#importing();
  }

  /** In the order of the letters, (f) set against (c), or (c2) where only that was measured. */
  report(): BenchResult['figures'] {
    const measured = (wanted: ThroughputPart) => this.#figures.find(({ part }) => part === wanted);
    const compared = this.#figures.map((figure) =>
      figure.part === 'f' ? comparedTo(figure, measured('c') ?? measured('c2')) : figure,
    );
    return PARTS.flatMap((letter) => compared.filter(({ part }) => part === letter)).map((figure) => {
      const verdict = verdictOf(figure);
      return verdict === undefined ? figure : { ...figure, verdict };
    });
  }

  #wants(...parts: readonly Part[]): boolean {
    return parts.some((part) => this.#options.parts.has(part));
  }

  #encoding(): void {
    this.#deps.progress('(a) encoding');
    this.#figures.push(...benchEncoding(this.#options));
  }

  #decoding(): void {
    this.#deps.progress('(i) decoding');
    this.#figures.push(...benchDecoding(this.#options));
  }

  async #alerting(): Promise<void> {
    this.#deps.progress('(g) the alert engine');
    this.#figures.push(...(await benchAlerting(this.#options)));
  }

  async #storing(): Promise<void> {
    const { url } = await this.#openDatabase();
    this.#deps.progress('(b) storing');
    this.#figures.push(...(await benchStoring(url, this.#options, this.#timeline)));
  }

  async #inserting(): Promise<void> {
    const { url } = await this.#openDatabase();
    this.#deps.progress('(f) one INSERT per message');
    this.#figures.push(await benchInserting(url, this.#options, this.#timeline));
  }

  /** In a database of its own, which the other parts would find in pieces. */
  async #verifying(): Promise<void> {
    const { url, facts } = await openBenchDatabase(this.#options.databaseUrl, this.#cleanup);
    this.engines = { ...this.engines, ...facts };
    const timeline = new Timeline(Date.now());
    this.#figures.push(...(await benchVerifying(url, this.#options, timeline, this.#deps.progress)));
  }

  async #refusing(): Promise<void> {
    const broker = await this.#openBroker(['j']);
    if (broker !== undefined) this.#figures.push(...(await benchRefusing(await this.#flowDeps(broker))));
  }

  async #waiting(): Promise<void> {
    const broker = await this.#openBroker(['k']);
    if (broker !== undefined) this.#figures.push(...(await benchWaiting(await this.#flowDeps(broker))));
  }

  async #watched(): Promise<void> {
    const broker = await this.#openBroker(['watched']);
    if (broker !== undefined) this.#figures.push(...(await benchWatched(await this.#flowDeps(broker))));
  }

  async #peers(): Promise<void> {
    const broker = await this.#openBroker(['peers']);
    if (broker === undefined) return;
    const found = await benchPeers(await this.#flowDeps(broker));
    if ('reason' in found) this.skipped.push(found);
    else this.#figures.push(...found);
  }

  /** In a database of its own, which the other parts would find full. */
  async #exporting(): Promise<void> {
    const { url, facts } = await openBenchDatabase(this.#options.databaseUrl, this.#cleanup);
    this.engines = { ...this.engines, ...facts };
    this.#figures.push(...(await benchExporting(url, this.#options, this.#deps.progress)));
  }

  async #importing(): Promise<void> {
    const { url, facts } = await openBenchDatabase(this.#options.databaseUrl, this.#cleanup);
    this.engines = { ...this.engines, ...facts };
    this.#figures.push(...(await benchImporting(url, this.#options, this.#deps.progress)));
  }

  async #scaling(): Promise<void> {
    const broker = await this.#openBroker(['scale', 'backlog']);
    if (broker === undefined) return;
    const deps = await this.#flowDeps(broker);
    if (this.#wants('backlog')) this.#figures.push(...(await benchGroupBacklog(deps)));
    if (this.#wants('scale')) this.#figures.push(...(await benchScaling(deps)));
  }

  async #handingOver(): Promise<void> {
    const { url } = await this.#openDatabase();
    this.#deps.progress('(handover) handing over');
    this.#figures.push(...(await benchHandingOver(url, this.#options.seed)));
  }

  async #starting(): Promise<void> {
    this.#deps.progress('(start) commands');
    this.#figures.push(...(await benchCommands(this.#options)));
    const broker = await this.#openBroker(['start']);
    if (broker !== undefined) this.#figures.push(await benchRest(await this.#flowDeps(broker)));
  }

  async #messages(): Promise<void> {
    const broker = await this.#openBroker(['c', 'c2', 'd', 'e']);
    if (broker === undefined) return;
    const flowDeps = await this.#flowDeps(broker);
    for (const part of this.#flows()) {
      const { throughput, cpu } = await benchThroughput(flowDeps, part);
      if (this.#wants(part)) this.#figures.push(throughput);
      if (this.#wants('e')) this.#figures.push(cpu);
    }
    if (this.#wants('d')) this.#figures.push(...(await benchLatency(flowDeps)));
  }

  /** (e) is measured along with what else is asked for; alone it needs both. */
  #flows(): readonly ThroughputPart[] {
    const flows = ['c', 'c2'] as const;
    const wanted = flows.filter((part) => this.#wants(part));
    return wanted.length === 0 && this.#wants('e') ? flows : wanted;
  }

  async #flowDeps(broker: BenchBroker): Promise<FlowDeps> {
    const { url: databaseUrl } = await this.#openDatabase();
    const stateDir = await mkdtemp(join(tmpdir(), 'fieldwatch-bench-state-'));
    this.#cleanup.add('state folder', () => rm(stateDir, { recursive: true, force: true }));
    return {
      options: this.#options,
      broker,
      databaseUrl,
      stateDir,
      timeline: this.#timeline,
      cleanup: this.#cleanup,
      budget: this.#budget,
      progress: this.#deps.progress,
    };
  }

  async #openDatabase(): Promise<BenchDatabase> {
    if (this.#database !== undefined) return this.#database;
    this.#deps.progress('opening the database');
    this.#database = await openBenchDatabase(this.#options.databaseUrl, this.#cleanup);
    this.engines = { ...this.engines, ...this.#database.facts };
    return this.#database;
  }

  async #openBroker(forParts: readonly Part[]): Promise<BenchBroker | undefined> {
    try {
      const broker = await openBenchBroker(this.#options.mqttUrl, this.#cleanup);
      this.engines = { ...this.engines, broker: broker.version };
      return broker;
    } catch (error) {
      if (!(error instanceof NoBroker)) throw error;
      const parts = forParts.filter((part) => this.#wants(part));
      this.skipped.push(...parts.map((part) => ({ part, reason: error.message })));
      return undefined;
    }
  }
}

async function stopped(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

async function overdue(seconds: number): Promise<never> {
  return new Promise((_, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`stopped: it took longer than ${seconds} s; something is stuck or very busy`)),
      seconds * 1000,
    );
    timer.unref();
  });
}
