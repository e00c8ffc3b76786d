import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { CleanupStack } from '../src/lib/cleanup-stack.ts';
import { endChild, hasEnded } from '../test/support/child-process.ts';
import { DEPLOYED_ENVIRONMENT } from './deployed-environment.ts';

const STOP_MS = 10_000;

/**
 * A process of its own for one side of a measurement: jobs go in, reports come out. Its environment is that of a deployed daemon,
 * unless the bench has been given another.
 */
export class Child<Job extends object, Report> {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #reports: Report[] = [];
  #wake: () => void = () => undefined;

  constructor(name: string, cleanup: CleanupStack) {
    this.#name = name;
    const entry = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
    this.#process = fork(entry, [], {
      execArgv: [],
      env: { ...DEPLOYED_ENVIRONMENT, ...process.env },
      serialization: 'advanced', // NaN and undefined survive
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    cleanup.add(`${name} process`, () => this.kill());
    this.#process.on('message', (report) => {
      this.#reports.push(report as Report);
      this.#wake();
    });
    this.#process.once('exit', () => this.#wake());
  }

  async ask(job: Job, timeoutMs: number): Promise<Report> {
    this.send(job);
    return this.next(timeoutMs);
  }

  send(job: Job): void {
    this.#process.send(job);
  }

  /** The next report; rejects when the process ends or nothing comes in time. */
  async next(timeoutMs: number): Promise<Report> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const report = this.#reports.shift();
      if (report !== undefined) return report;
      if (hasEnded(this.#process)) {
        const { exitCode, signalCode } = this.#process;
        throw new Error(`${this.#name} ended (${signalCode ?? exitCode})`);
      }
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`${this.#name}: no answer within ${timeoutMs / 1000} s`);
      await this.#change(leftMs);
    }
  }

  /** Stops it in order: it ends when its channel is closed. */
  async end(): Promise<void> {
    if (hasEnded(this.#process)) return;
    const exit = once(this.#process, 'exit');
    if (this.#process.connected) this.#process.disconnect();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS);
    await exit;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    await endChild(this.#process);
  }

  async #change(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
  }
}

/** The other end: answers jobs one after the other, and ends with the bench. */
export function serveJobs<Job, Report>(
  run: (job: Job, report: (report: Report) => void) => Promise<void>,
): void {
  process.on('message', (job) => {
    run(job as Job, (report) => process.send?.(report)).catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
  });
  process.once('disconnect', () => process.exit(0));
  // Ctrl-C reaches the whole process group; the bench ends us when it has understood.
  process.on('SIGINT', () => undefined);
}
