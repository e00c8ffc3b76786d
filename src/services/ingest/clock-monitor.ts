import { SET_BEYOND_MS, WRONG_BEYOND_MS } from '../../core/ingest/clock-era.ts';
import type { Millis } from '../../core/reading.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import type { Gauge, Logger, Metrics } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import type { ArrivalClocks } from './arrival-clocks.ts';

/** The wall clock of the daemon, as far as the monitor needs it. */
export interface MonitoredClock extends Clock {
  systemMs(): Millis;
  correct(nowMs: Millis): void;
}

export interface ClockMonitorDeps {
  readonly clock: MonitoredClock;
  /** The database server's wall clock; rejects when the database is away. */
  readonly serverMs: () => Promise<Millis>;
  /** Records it on disk, for spooled records. */
  readonly arrivalClocks?: Pick<ArrivalClocks, 'clockSet' | 'confirmed'> | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const EVERY_MS = 20_000;
/** How often the system's clock is checked for steps. */
const POLL_EVERY_MS = 1000;

/**
 * Compares the system's clock with that of the database server. A Raspberry Pi has no battery-backed clock: it starts days
 * in the past, and gets the time once the network is up. Stored with such a time, readings without one of their own would
 * stay in the past for ever, and those of the devices would be refused as too far in the future. So while the two differ
 * by more than a minute the daemon uses the server's clock, which its policies and aggregates use as well. While the
 * database is away, the last correction continues on the monotonic clock.
 *
 * The clock may also be set wrongly, or far ahead and back: one reading from the future keeps its sensor's alerts from
 * being evaluated until then, and an hour ahead makes every sensor silent. So the time follows the monotonic clock between
 * two comparisons, too, and a step is accepted once the server was queried, or cannot be.
 */
export class ClockMonitor {
  readonly #deps: ClockMonitorDeps;
  readonly #offset: Gauge;
  readonly #loop: PollLoop;
  #differenceMs: number | undefined;
  #comparedAtMs = -Infinity;
  #last: { readonly systemMs: Millis; readonly monotonicMs: number };

  constructor(deps: ClockMonitorDeps) {
    this.#deps = deps;
    this.#loop = new PollLoop({ clock: deps.clock, everyMs: POLL_EVERY_MS, run: () => this.#check() });
    this.#offset = deps.metrics.gauge(
      'fieldwatch_clock_offset_seconds',
      'Offset of the database server clock from the system clock at the last comparison',
    );
    this.#last = this.#reading();
  }

  /** How far the server's clock is ahead, while the daemon uses it; undefined while the system's clock is used. */
  get correctionMs(): number | undefined {
    return this.#differenceMs;
  }

  /** Compares at once, and from then on regularly. Never rejects. */
  async start(): Promise<void> {
    await this.compare();
    this.#loop.start();
  }

  stop(): void {
    void this.#loop.stop();
  }

  /** Compares now. Never rejects. */
  async compare(): Promise<void> {
    const { clock } = this.#deps;
    this.#noticeSetting();
    const beforeMs = clock.monotonicMs();
    this.#comparedAtMs = beforeMs;
    let serverMs: Millis;
    try {
      serverMs = await this.#deps.serverMs();
    } catch {
      // No better clock is known.
      if (this.#differenceMs === undefined) clock.correct(clock.systemMs());
      return;
    }
    // The server read its clock at some moment of the round trip: half of it is the uncertainty.
    const uncertainMs = (clock.monotonicMs() - beforeMs) / 2;
    const nowMs = serverMs + uncertainMs;
    const differenceMs = nowMs - clock.systemMs();
    this.#offset.set(Math.round(differenceMs) / 1000);
    this.#decide(nowMs, differenceMs, Math.abs(differenceMs) - uncertainMs > WRONG_BEYOND_MS);
  }

  #decide(nowMs: Millis, differenceMs: number, isWrong: boolean): void {
    const { clock, arrivalClocks, logger } = this.#deps;
    arrivalClocks?.confirmed(clock.systemMs(), isWrong ? differenceMs : 0);
    const was = this.#differenceMs;
    clock.correct(isWrong ? nowMs : clock.systemMs());
    this.#differenceMs = isWrong ? differenceMs : undefined;
    if (isWrong && was === undefined) {
      logger.warn(
        {
          offset_s: Math.round(differenceMs / 1000),
          remedy:
            'Run a time service (chrony, systemd-timesyncd), and check that both machines are synchronized.',
        },
        'clock: system and database server differ, using the server clock',
      );
    } else if (!isWrong && was !== undefined) {
      logger.info({ was_offset_s: Math.round(was / 1000) }, 'clock: in sync with the database server');
    }
  }

  async #check(): Promise<void> {
    const isDue = this.#deps.clock.monotonicMs() - this.#comparedAtMs >= EVERY_MS;
    if (this.#noticeSetting() || isDue) await this.compare();
  }

  /** True if it was set. */
  #noticeSetting(): boolean {
    const now = this.#reading();
    const last = this.#last;
    this.#last = now;
    const movedMs = now.systemMs - last.systemMs - (now.monotonicMs - last.monotonicMs);
    if (Math.abs(movedMs) <= SET_BEYOND_MS) return false;
    this.#deps.arrivalClocks?.clockSet(now.systemMs - movedMs, now.systemMs);
    this.#deps.logger.warn({ by_s: Math.round(movedMs / 1000) }, 'clock: the system clock was stepped');
    return true;
  }

  #reading(): { readonly systemMs: Millis; readonly monotonicMs: number } {
    return { systemMs: this.#deps.clock.systemMs(), monotonicMs: this.#deps.clock.monotonicMs() };
  }
}
