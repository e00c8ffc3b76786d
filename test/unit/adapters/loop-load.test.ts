import { expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { loopLoad } from '../../../src/adapters/system/loop-load.ts';

test('a loop that computes is busier than one that waits, each measured since the last call', async () => {
  const load = loopLoad();
  await sleep(50);
  const waiting = load();
  const end = performance.now() + 50;
  while (performance.now() < end);
  const computing = load();
  expect(computing).toBeGreaterThan(waiting);
  for (const share of [waiting, computing]) {
    expect(share).toBeGreaterThanOrEqual(0);
    expect(share).toBeLessThanOrEqual(1);
  }
});
