import { formatDuration } from '../../core/duration.ts';
import type { Cli } from '../command.ts';

const EVERY_MS = 500;
const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

export interface Figures {
  readonly rows: number;
  /** Part of the work that is done, 0 to 1. */
  readonly share: number;
  readonly elapsedMs: number;
}

/** `1,234,567 rows, 412,000 rows/s, 63 %, 12s left`. */
export function progressText({ rows, share, elapsedMs }: Figures): string {
  const perSecond = elapsedMs > 0 ? (rows * 1000) / elapsedMs : 0;
  const leftMs = share > 0 ? (elapsedMs * (1 - share)) / share : undefined;
  const left = leftMs === undefined ? '' : `, ${formatDuration(Math.ceil(leftMs / 1000) * 1000)} left`;
  return `${whole(rows)} rows, ${whole(perSecond)} rows/s, ${Math.floor(share * 100)} %${left}`;
}

/** Progress on one line of a terminal, and one sentence at the end, on standard error. */
export class Progress {
  readonly #cli: Pick<Cli, 'stderr'>;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  #shownMs = 0;
  rows = 0;
  share = 0;

  constructor(cli: Pick<Cli, 'stderr'>, nowMs: () => number = () => performance.now()) {
    this.#cli = cli;
    this.#nowMs = nowMs;
    this.#startMs = this.#shownMs = nowMs();
  }

  add(rows: number, share: number): void {
    this.rows += rows;
    this.share = share;
    this.show(0);
  }

  /** `more` rows are under way, and not counted yet. */
  show(more: number): void {
    const now = this.#nowMs();
    if (this.#cli.stderr.isTTY !== true || now - this.#shownMs < EVERY_MS) return;
    this.#shownMs = now;
    this.#cli.stderr.write(
      `\r\u001b[2K${progressText({ rows: this.rows + more, share: this.share, elapsedMs: now - this.#startMs })}`,
    );
  }

  /** Ends the line of progress; returns `34,427 rows in 1.2 s`. */
  end(): string {
    if (this.#cli.stderr.isTTY === true) this.#cli.stderr.write('\r\u001b[2K');
    const seconds = (this.#nowMs() - this.#startMs) / 1000;
    return `${whole(this.rows)} ${this.rows === 1 ? 'row' : 'rows'} in ${seconds.toFixed(1)} s`;
  }
}
