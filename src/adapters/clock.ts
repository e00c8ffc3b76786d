import type { Clock, Timer } from '../ports.ts';

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
