import type { Millis } from '../core/reading.ts';
import type { Clock } from '../ports/time.ts';
import { sleep } from './sleep.ts';

export interface RetryPolicy {
  /** The first one included. */
  readonly attempts: number;
  /** Before retry 1, 2, … */
  readonly waitMs: (retry: number) => Millis;
  readonly isRetried: (error: unknown) => boolean;
}

/** Runs it until it succeeds. Rejects with the error of the last attempt, or with the first that another attempt would not help. */
export async function retried<T>(
  clock: Clock,
  { attempts, waitMs, isRetried }: RetryPolicy,
  run: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (attempt >= attempts || !isRetried(error)) throw error;
      await sleep(clock, waitMs(attempt));
    }
  }
}
