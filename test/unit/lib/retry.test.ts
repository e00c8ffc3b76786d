import { expect, test } from '@jest/globals';
import { type RetryPolicy, retried } from '../../../src/lib/retry.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const policy = { attempts: 3, waitMs: (retry) => retry * 100, isRetried: () => true } satisfies RetryPolicy;

/** Runs it with a clock that advances whenever something waits for it; the waits are those that the policy gave. */
async function attempted(outcomes: readonly (string | Error)[], given: RetryPolicy = policy) {
  const clock = new FakeClock();
  const left = [...outcomes];
  const outcome = retried(clock, given, async () => {
    const next = left.shift();
    if (next instanceof Error) throw next;
    return next;
  }).catch((error: Error) => error.message);
  for (let n = 0; n < 5; n++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (clock.pending > 0) clock.advance(100 * (outcomes.length - left.length));
  }
  return { outcome: await outcome, attempts: outcomes.length - left.length, waitedMs: clock.monotonicMs() };
}

const [first, second] = [new Error('first'), new Error('second')];

test('until it succeeds, with the waits of the policy', async () => {
  expect(await attempted(['done'])).toEqual({ outcome: 'done', attempts: 1, waitedMs: 0 });
  expect(await attempted([first, second, 'done'])).toEqual({ outcome: 'done', attempts: 3, waitedMs: 300 });
});

test('the last error, or the first that is not retried', async () => {
  const all = [first, first, second, 'never'];
  expect(await attempted(all)).toMatchObject({ outcome: 'second', attempts: 3 });
  const once = { ...policy, isRetried: (error: unknown) => error === first };
  expect(await attempted([first, second, 'never'], once)).toMatchObject({ outcome: 'second', attempts: 2 });
});
