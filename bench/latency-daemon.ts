import { serveJobs } from './children.ts';
import { daemonConfig } from './daemon-config.ts';
import type { LatencyJob, LatencyReport } from './jobs.ts';
import { type Probe, measuredApp } from './measured-app.ts';
import { percentile } from './stats.ts';

const STALL_MS = 15_000;

/** The daemon's side of (d): the age of every reading at the moment its commit resolves. */
class LatencyMeter {
  readonly finished: Promise<boolean>;
  readonly #latencies: Float64Array;
  readonly #expected: number;
  #committed = 0;
  #seenAtLastLook = -1;
  #finish: (stalled: boolean) => void = () => undefined;
  readonly #watch: NodeJS.Timeout;

  constructor(expected: number) {
    this.#expected = expected;
    this.#latencies = new Float64Array(expected);
    this.finished = new Promise((resolve) => (this.#finish = resolve));
    this.#watch = setInterval(() => this.#look(), STALL_MS);
  }

  /** The time in the payload is when the message was due to be published, on the same machine's clock. */
  readonly committed: NonNullable<Probe['committed']> = ({ readings }) => {
    const nowMs = Date.now();
    for (const { timeUs } of readings) this.#latencies[this.#committed++] = nowMs - timeUs / 1000;
    if (this.#committed >= this.#expected) this.#end(false);
  };

  /** Sorted, without the first `skip`. */
  latencies(skip: number): Float64Array {
    return this.#latencies.slice(skip, this.#committed).sort();
  }

  #look(): void {
    if (this.#committed === this.#seenAtLastLook) this.#end(true);
    this.#seenAtLastLook = this.#committed;
  }

  #end(stalled: boolean): void {
    clearInterval(this.#watch);
    this.#finish(stalled);
  }
}

serveJobs<LatencyJob, LatencyReport>(async (job, report) => {
  const meter = new LatencyMeter(job.expected);
  const app = measuredApp(daemonConfig(job.config), {
    committed: meter.committed,
    subscribed: () => report({ kind: 'subscribed' }),
  });
  await app.start();
  const cpu = process.cpuUsage();
  const stalled = await meter.finished;
  const { user, system } = process.cpuUsage(cpu);
  await app.stop();
  const sorted = meter.latencies(job.skip);
  report({
    kind: 'done',
    messages: sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    maxMs: sorted.at(-1) ?? NaN,
    cpuSeconds: (user + system) / 1_000_000,
    stalled,
  });
});
