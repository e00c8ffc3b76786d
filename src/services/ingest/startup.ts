import { FieldwatchError } from '../../core/errors.ts';
import { unlessAborted, withDeadline } from '../../lib/timeout.ts';
import type { Clock } from '../../ports/time.ts';

/** What a start does with the database. Both reject with what keeps it from being done. */
export interface StartupSteps {
  /** Asks it for a sign of life. */
  readonly tryConnect: () => Promise<void>;
  /** Brings it up to date, reads what the last run left, and starts what lives on it. Safe to repeat after a failure. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/**
 * The part of a start that needs the database: done once, and done later where the database is away at the start and
 * there is a spool to take what arrives meanwhile (`SpoolDrainer` tries it again and again then).
 */
export class DeferredStartup {
  /** Resolves when it is done. */
  readonly whenDone: Promise<void>;
  private readonly steps: StartupSteps;
  private isDone = false;
  private resolveDone = () => {};

  constructor(steps: StartupSteps) {
    this.steps = steps;
    this.whenDone = new Promise((resolve) => (this.resolveDone = resolve));
  }

  get done(): boolean {
    return this.isDone;
  }

  /** Rejects with whatever keeps it from being done. */
  async now(signal: AbortSignal = new AbortController().signal): Promise<void> {
    await unlessAborted(this.steps.run(signal), signal);
    this.isDone = true;
    this.resolveDone();
  }

  /**
   * The first attempt. Resolves with what passes by itself: the database is away, or silent for `patienceMs`. Rejects with
   * what a person has to mend (a password, a database that is not there, a schema of a newer program).
   */
  async tryNow(clock: Clock, patienceMs: number): Promise<FieldwatchError | undefined> {
    try {
      await withDeadline(clock, { ms: patienceMs }, (signal) =>
        unlessAborted(this.steps.tryConnect(), signal),
      );
      await this.now();
    } catch (error) {
      if (error instanceof FieldwatchError && error.kind === 'transient') return error;
      throw error;
    }
    return undefined;
  }

  /** True if it was this call that did it. */
  async later(signal: AbortSignal): Promise<boolean> {
    if (this.isDone) return false;
    await this.now(signal);
    return true;
  }
}
