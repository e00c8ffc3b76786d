import { FieldwatchError } from '../../core/errors.ts';
import { unlessAborted, withDeadline } from '../../lib/timeout.ts';
import type { Clock } from '../../ports/time.ts';

/** The database steps of a start. Both reject with what keeps them from being done. */
export interface StartupSteps {
  /** Checks that it answers. */
  readonly tryConnect: () => Promise<void>;
  /** Migrates it, reads the state of the last run, and starts what depends on it. Safe to repeat after a failure. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/**
 * The part of a start that needs the database: done once, and deferred where the database is away at the start and
 * there is a spool for arrivals meanwhile (`SpoolDrainer` retries it then).
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

  /** Rejects with the failure. */
  async now(signal: AbortSignal = new AbortController().signal): Promise<void> {
    await unlessAborted(this.steps.run(signal), signal);
    this.isDone = true;
    this.resolveDone();
  }

  /**
   * The first attempt. Resolves with a transient failure: the database is away, or does not answer for `patienceMs`. Rejects
   * with what the operator has to fix (a password, a missing database, a schema of a newer program).
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

  /** True if this call did it. */
  async retry(signal: AbortSignal): Promise<boolean> {
    if (this.isDone) return false;
    await this.now(signal);
    return true;
  }
}
