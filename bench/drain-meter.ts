import type { DrainReport } from './jobs.ts';

const STALL_MS = 15_000;

/** Times one drain, from the first message in to the last one done with. */
export class DrainMeter {
  readonly finished: Promise<DrainReport>;
  readonly #expected: number;
  readonly #finish: (report: DrainReport) => void;
  readonly #watch: NodeJS.Timeout;
  #startMs = 0;
  #cpu: NodeJS.CpuUsage | undefined;
  #received = 0;
  #stored = 0;
  #commitMs = 0;
  #done = 0;
  #doneAtLastLook = -1;

  constructor(expected: number) {
    this.#expected = expected;
    let finish: (report: DrainReport) => void = () => undefined;
    this.finished = new Promise((resolve) => (finish = resolve));
    this.#finish = finish;
    this.#watch = setInterval(() => this.#look(), STALL_MS);
  }

  received(): void {
    if (this.#received++ > 0) return;
    this.#cpu = process.cpuUsage();
    this.#startMs = performance.now();
  }

  stored(rows: number, ms: number): void {
    this.#stored += rows;
    this.#commitMs += ms;
  }

  /** So many messages have nothing left to be done. */
  done(messages: number): void {
    this.#done += messages;
    if (this.#done >= this.#expected) this.#report(false);
  }

  #look(): void {
    if (this.#done === this.#doneAtLastLook) this.#report(true);
    this.#doneAtLastLook = this.#done;
  }

  #report(stalled: boolean): void {
    const seconds = (performance.now() - this.#startMs) / 1000;
    const { user, system } = process.cpuUsage(this.#cpu);
    clearInterval(this.#watch);
    this.#finish({
      seconds,
      cpuSeconds: (user + system) / 1_000_000,
      commitSeconds: this.#commitMs / 1000,
      received: this.#received,
      stored: this.#stored,
      stalled,
    });
  }
}
