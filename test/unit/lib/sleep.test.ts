import { expect, test } from '@jest/globals';
import { InterruptibleSleep, sleep } from '../../../src/lib/sleep.ts';
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
