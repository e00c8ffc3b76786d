import { expect, test } from '@jest/globals';
import { InterruptibleSleep, pollUntil, sleep } from '../../../src/lib/sleep.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** Whether the wait is over. */
function watched(wait: Promise<void>) {
  const seen = { over: false };
  void wait.then(() => (seen.over = true));
  return async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return seen.over;
  };
}

test('a wait takes its time, or ends when it is woken or interrupted', async () => {
  const clock = new FakeClock();
  const sleeper = new InterruptibleSleep(clock);
  for (const end of [() => clock.advance(100), () => sleeper.wake(), () => sleeper.interrupt()]) {
    const over = watched(sleeper.sleep(100));
    expect(await over()).toBe(false);
    end();
    expect(await over()).toBe(true);
  }
  expect(clock.pending).toBe(0);
  const plain = watched(sleep(clock, 5));
  clock.advance(5);
  expect(await plain()).toBe(true);
});

test('outside of a wait, wake is remembered and interrupt is not', async () => {
  const clock = new FakeClock();
  const sleeper = new InterruptibleSleep(clock);
  sleeper.interrupt();
  expect(await watched(sleeper.sleep(100))()).toBe(false);
  sleeper.wake();
  sleeper.wake();
  await sleeper.sleep(100);
  expect(await watched(sleeper.sleep(100))()).toBe(false);
});

test('after stop there is no wait', async () => {
  const clock = new FakeClock();
  const sleeper = new InterruptibleSleep(clock);
  const over = watched(sleeper.sleep(100));
  sleeper.stop();
  expect(await over()).toBe(true);
  await sleeper.sleep(100);
  expect(clock.pending).toBe(0);
});

test('a wait with a signal ends with it, and leaves no timer', async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const over = watched(sleep(clock, 100, stop.signal));
  expect(await over()).toBe(false);
  stop.abort();
  expect([await over(), clock.pending]).toEqual([true, 0]);
  await sleep(clock, 100, stop.signal);
});

test('an answer is read for until it is there, or its time is over', async () => {
  const clock = new FakeClock();
  const answers = [null, null, 'done'];
  const read = () => Promise.resolve(answers.shift() ?? null);
  const polling = pollUntil(clock, { everyMs: 200, withinMs: 1000 }, read);
  for (let n = 0; n < 2; n++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(200);
  }
  expect(await polling).toBe('done');
  expect(await pollUntil(clock, { everyMs: 200, withinMs: 0 }, read)).toBeNull();
});
