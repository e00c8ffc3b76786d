import { FieldwatchError } from '../core/errors.ts';
import type { Millis } from '../core/reading.ts';
import type { Clock } from '../ports/time.ts';

/** Waits for `promise` until the signal aborts. The work itself is not stopped: what it does afterwards must do no harm. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  let giveUp = () => {};
  const aborted = new Promise<never>((_, reject) => {
    giveUp = () => reject(notWaited());
  });
  promise.catch(() => undefined);
  aborted.catch(() => undefined);
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp);
  try {
    return await Promise.race([promise, aborted]);
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
  const deadline = new AbortController();
  let dueMs: Millis | undefined;
  const answered = () => {
    dueMs = clock.monotonicMs() + stepMs;
  };
  const expire = () => {
    const leftMs = dueMs === undefined ? 0 : dueMs - clock.monotonicMs();
    if (leftMs > 0) timer = clock.after(leftMs, expire);
    else deadline.abort();
  };
  let timer = clock.after(ms, expire);
  try {
    const signal = parent === undefined ? deadline.signal : AbortSignal.any([deadline.signal, parent]);
    return await run(signal, answered);
  } finally {
    timer.cancel();
  }
}

const notWaited = () =>
  new FieldwatchError('database: no answer yet; it is no longer waited for', {
    code: 'DB_NO_ANSWER',
    kind: 'transient',
    remedy:
      'The link stalls, the server hangs, or the pool of a pooler is used up: look at the network between, at pg_stat_activity, and at pool_size.',
  });

/** Rejects when `answer` takes longer than `limitMs`. The work behind it goes on, and its late outcome is ignored. */
export function deadline<T>(answer: Promise<T>, limitMs: number, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(limitMs, () => reject(new Error(`no answer in ${limitMs} ms`)));
    void answer.then(resolve, reject).finally(() => timer.cancel());
  });
}
