import { FieldwatchError } from '../core/errors.ts';
import type { Clock } from '../ports.ts';

/**
 * `promise`, for as long as somebody waits for it. It is not stopped: what it does afterwards must do no harm, for the
 * work goes on without it.
 */
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

/** Runs it with a signal that is given after `ms`, or with `parent`. */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  run: (signal: AbortSignal) => Promise<T>,
  parent?: AbortSignal,
): Promise<T> {
  const deadline = new AbortController();
  const timer = clock.after(ms, () => deadline.abort());
  try {
    return await run(parent === undefined ? deadline.signal : AbortSignal.any([deadline.signal, parent]));
  } finally {
    timer.cancel();
  }
}

const notWaited = () =>
  new FieldwatchError('database: no answer yet; it is no longer waited for', {
    code: 'DB_NO_ANSWER',
    kind: 'transient',
    remedy: 'The link stalls or the server hangs: look at the network between and at pg_stat_activity.',
  });
