import { expect, test } from '@jest/globals';
import { Signal } from '../../../src/lib/signal.ts';

test('a notification resumes the one who waits; without one it is forgotten', async () => {
  const signal = new Signal();
  signal.notify();
  let resumed = false;
  const wait = signal.wait().then(() => (resumed = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(resumed).toBe(false);
  signal.notify();
  await wait;
});
