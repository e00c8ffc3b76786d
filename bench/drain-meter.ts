import type { DrainReport } from './jobs.ts';

const STALL_MS = 15_000;

/**
 * Times one run, from the first message in to the last one done with. Of a live flow, a warm-up comes first: all of it is
 * done with before the first timed message is published, so that nothing is under way when the clock starts or stops.
 */
export class DrainMeter {
  readonly finished: Promise<DrainReport>;
  readonly #expected: number;
  readonly #warmUp: number;
  readonly #warm: () => void;
  readonly #finish: (report: DrainReport) => void;
  readonly #watch: NodeJS.Timeout;
  #startMs = NaN;
  #cpu: NodeJS.CpuUsage | undefined;
  #received = 0;
  #stored = 0;
  #commitMs = 0;
  #done = 0;
  #doneAtLastLook = -1;

  constructor(expected: number, warmUp = 0, warm: () => void = () => undefined) {
    this.#expected = expected;
    this.#warmUp = warmUp;
    this.#warm = warm;
    let finish: (report: DrainReport) => void = () => undefined;
    this.finished = new Promise((resolve) => (finish = resolve));
    this.#finish = finish;
    this.#watch = setInterval(() => this.#look(), STALL_MS);
  }

  received(): void {
    if (this.#received++ !== this.#warmUp) return;
    this.#cpu = process.cpuUsage();
    this.#startMs = performance.now();
    this.#commitMs = 0;
  }

  stored(rows: number, ms: number): void {
    this.#stored += rows;
    this.#commitMs += ms;
  }

  /** So many messages have nothing left to be done. */
  done(messages: number): void {
    this.#done += messages;
    if (this.#done === this.#warmUp) this.#warm();
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
      timed: this.#done - this.#warmUp,
      cpuSeconds: (user + system) / 1_000_000,
      commitSeconds: this.#commitMs / 1000,
      peakMegabytes: process.resourceUsage().maxRSS / 1024,
      received: this.#received,
      stored: this.#stored,
      stalled,
    });
  }
}
