import type { Millis } from '../core/reading.ts';

/** The clock. */

/** Time that survives the process: which boot of the machine this is, and the time since, which goes on while it sleeps. */
export interface BootClock {
  /** Undefined where processes of one boot cannot be recognised. */
  readonly id: string | undefined;
  uptimeMs(): number;
}

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump. */
  nowMs(): Millis;
  /** Monotonic milliseconds from an arbitrary origin: for durations. */
  monotonicMs(): number;
  /** One shot. The timer keeps the process alive only as long as something else does. */
  after(delayMs: number, run: () => void): Timer;
}
