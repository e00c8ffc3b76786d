import { codeOf, messageOf } from '../core/errors.ts';
import type { Millis } from '../core/reading.ts';

/** Why something does not work, and since when. */
export interface Trouble {
  readonly code: string;
  readonly message: string;
  /** Wall clock. */
  readonly sinceMs: Millis;
}

/** The outage of one thing that is tried again and again: an attempt that fails is worth a line when it brings news. */
export class Outage {
  private readonly clock: { nowMs(): Millis };
  private current: Trouble | undefined;

  constructor(clock: { nowMs(): Millis } = { nowMs: Date.now }) {
    this.clock = clock;
  }

  /** Undefined while it works. */
  get trouble(): Trouble | undefined {
    return this.current;
  }

  /** True when the outage begins, and when its code changes. */
  failed(error: unknown): boolean {
    const before = this.current;
    const code = codeOf(error);
    this.current = { code, message: messageOf(error), sinceMs: before?.sinceMs ?? this.clock.nowMs() };
    return before?.code !== code;
  }

  /** How long it lasted; undefined where there was none. */
  recovered(): Millis | undefined {
    const before = this.current;
    this.current = undefined;
    return before === undefined ? undefined : this.clock.nowMs() - before.sinceMs;
  }
}
