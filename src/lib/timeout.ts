import { FieldwatchError } from '../core/errors.ts';
import type { Millis } from '../core/reading.ts';
import type { Clock, Timer } from '../ports/time.ts';

/** The database gave no answer in time; as after a lost connection the outcome is unknown. */
export const noAnswer = ({ afterMs, cause }: { afterMs?: Millis; cause?: unknown } = {}): FieldwatchError =>
  new FieldwatchError(
    `database: no answer${afterMs === undefined ? '' : ` within ${afterMs} ms`}, connection abandoned`,
    {
      code: 'DB_NO_ANSWER',
      kind: 'transient',
      cause,
      remedy:
        'The link stalls, the server hangs, or the pool of a pooler is used up: look at the network between, at pg_stat_activity, and at pool_size.',
    },
  );

/**
 * Waits for `work` until the signal aborts, and rejects with `given` then. The work itself is not stopped: what it does
 * afterwards must do no harm.
 */
export async function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  given: () => Error = noAnswer,
): Promise<T> {
  if (signal === undefined) return work;
  let giveUp = () => {};
  const aborted = new Promise<never>((_, reject) => {
    giveUp = () => reject(given());
  });
  work.catch(() => undefined);
  aborted.catch(() => undefined);
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

export interface Deadline {
  readonly ms: Millis;
  /** After a step; the same, if it is left out. */
  readonly stepMs?: Millis;
}

/**
 * Runs it with a signal that is given `ms` after the start, or `stepMs` after the last call of `answered`; or with
 * `parent`. What calls `answered` at each step may take as long as it needs: only a step that stalls ends it.
 */
export async function withDeadline<T>(
  clock: Clock,
  { ms, stepMs = ms }: Deadline,
  run: (signal: AbortSignal, answered: () => void) => Promise<T>,
  parent?: AbortSignal,
): Promise<T> {
  const expired = new AbortController();
  let dueMs: Millis | undefined;
  const answered = () => {
    dueMs = clock.monotonicMs() + stepMs;
  };
  const expire = () => {
    const leftMs = dueMs === undefined ? 0 : dueMs - clock.monotonicMs();
    if (leftMs > 0) timer = clock.after(leftMs, expire);
    else expired.abort();
  };
  let timer = clock.after(ms, expire);
  try {
    const signal = parent === undefined ? expired.signal : AbortSignal.any([expired.signal, parent]);
    return await run(signal, answered);
  } finally {
    timer.cancel();
  }
}

/** Rejects with `late` when `work` takes longer than `limitMs`. The work goes on, and its late outcome is ignored. */
export function deadline<T>(
  work: Promise<T>,
  limitMs: Millis,
  clock: Clock,
  late: () => Error = () => new Error(`no answer in ${limitMs} ms`),
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(limitMs, () => reject(late()));
    void work.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** True once `work` is done, false after `limitMs`: the work goes on then. Rejects as the work does in this time. */
export async function endsWithin(work: Promise<unknown>, limitMs: Millis, clock: Clock): Promise<boolean> {
  let timer: Timer | undefined;
  const late = new Promise<false>((resolve) => {
    timer = clock.after(limitMs, () => resolve(false));
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    timer?.cancel();
  }
}
