import type { Millis } from '../../core/reading.ts';
import type { Clock, Timer } from '../../ports/time.ts';

/** The system's clocks and timers. Its timers never keep the process alive on their own. */
export function createSystemClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    after(delayMs: number, run: () => void): Timer {
      const handle = setTimeout(run, delayMs);
      handle.unref();
      return { cancel: () => clearTimeout(handle) };
    },
  };
}

/** A clock whose wall time can be given by a better one. */
export interface CorrectableClock extends Clock {
  /** The wall time of the system, without corrections. */
  systemMs(): Millis;
  /**
   * From now on the wall time counts from `nowMs` by the monotonic clock, so that setting the system's clock meanwhile
   * changes nothing.
   */
  correct(nowMs: Millis): void;
}

export function createCorrectableClock(system: Clock): CorrectableClock {
  let anchor: { readonly wallMs: Millis; readonly monotonicMs: number } | undefined;
  return {
    nowMs: () =>
      anchor === undefined
        ? system.nowMs()
        : Math.floor(anchor.wallMs + system.monotonicMs() - anchor.monotonicMs),
    monotonicMs: () => system.monotonicMs(),
    after: (delayMs, run) => system.after(delayMs, run),
    systemMs: () => system.nowMs(),
    correct(wallMs) {
      anchor = { wallMs, monotonicMs: system.monotonicMs() };
    },
  };
}
