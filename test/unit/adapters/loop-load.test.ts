import { expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { loopLoad } from '../../../src/adapters/system/loop-load.ts';

test('a loop that computes is busy all the time, one that waits is not, each measured since the last call', async () => {
  const load = loopLoad();
  let waiting;
  // Work of the machine can make one wait look busy, as its timer is over when the loop gets to it; not every wait.
  do {
    await sleep(20);
    waiting = load();
  } while (waiting === 1);
  expect(waiting).toBeGreaterThanOrEqual(0);
  expect(waiting).toBeLessThan(1);
  for (let n = 0; n < 1000; n++) JSON.stringify(process.versions);
  expect(load()).toBe(1);
  await sleep(0);
  expect(load()).toBeLessThanOrEqual(1);
});
