import type { Clock } from '../../ports.ts';

/** Rejects when `answer` takes longer than `limitMs`. The work behind it goes on, and its late outcome is ignored. */
export function deadline<T>(answer: Promise<T>, limitMs: number, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(limitMs, () => reject(new Error(`no answer in ${limitMs} ms`)));
    void answer.then(resolve, reject).finally(() => timer.cancel());
  });
}
