import { expect, test } from '@jest/globals';
import { PollLoop } from '../../../src/lib/poll-loop.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { settle } from '../../support/fakes.ts';

/** A loop whose calls the test ends, with the wait until the next. */
function heldLoop(everyMs = 1000) {
  const clock = new FakeClock();
  const calls: { readonly atMs: number; readonly end: (nextMs?: number) => void }[] = [];
  const loop = new PollLoop({
    clock,
    everyMs,
    run: () =>
      new Promise<number | void>((resolve) => calls.push({ atMs: clock.monotonicMs(), end: resolve })),
  });
  return { clock, calls, loop, times: () => calls.map(({ atMs }) => atMs) };
}

test('a call follows the end of the one before it, never during it', async () => {
  const { clock, calls, loop, times } = heldLoop();
  loop.start();
  clock.advance(5000);
  expect(times()).toEqual([1000]);
  calls[0]!.end();
  await settle();
  clock.advance(999);
  expect(times()).toEqual([1000]);
  clock.advance(1);
  expect(times()).toEqual([1000, 6000]);
});

test('a call says when the next one follows, and Infinity that none does', async () => {
  const { clock, calls, loop, times } = heldLoop();
  loop.start();
  clock.advance(1000);
  calls[0]!.end(50);
  await settle();
  clock.advance(50);
  expect(times()).toEqual([1000, 1050]);
  calls[1]!.end(Infinity);
  await settle();
  expect(clock.pending).toBe(0);
});

test('calls that return at once are as regular as the clock', () => {
  const clock = new FakeClock();
  const seen: number[] = [];
  const loop = new PollLoop({ clock, everyMs: 100, run: () => void seen.push(clock.monotonicMs()) });
  loop.start();
  clock.advance(350);
  expect(seen).toEqual([100, 200, 300]);
  void loop.stop();
  expect(clock.pending).toBe(0);
});

test('now: at once, or once more after the call under way, however often it is called', async () => {
  const { clock, calls, loop, times } = heldLoop();
  const first = loop.now();
  expect(times()).toEqual([0]);
  let ended = 0;
  const more = [loop.now(), loop.now()].map((each) => each.then(() => ended++));
  calls[0]!.end();
  await first;
  await settle();
  expect(times()).toEqual([0, 0]);
  expect(ended).toBe(0);
  calls[1]!.end();
  await Promise.all(more);
  expect(clock.pending).toBe(1);
  clock.advance(1000);
  expect(times()).toEqual([0, 0, 1000]);
});

test('soon: brings the next call forward, and never back', async () => {
  const { clock, calls, loop, times } = heldLoop();
  loop.start();
  loop.soon(200);
  loop.soon(500);
  clock.advance(200);
  expect(times()).toEqual([200]);
  loop.soon(300);
  calls[0]!.end();
  await settle();
  clock.advance(299);
  expect(times()).toEqual([200]);
  clock.advance(1);
  expect(times()).toEqual([200, 500]);
  calls[1]!.end();
  await settle();
  clock.advance(1000);
  expect(times()).toEqual([200, 500, 1500]);
});

test('after stop nothing is called, and stop waits for the call under way', async () => {
  const { clock, calls, loop, times } = heldLoop();
  void loop.now();
  void loop.now();
  let stopped = false;
  const stop = loop.stop().then(() => (stopped = true));
  await settle();
  expect(stopped).toBe(false);
  calls[0]!.end();
  await stop;
  await settle();
  loop.start();
  loop.soon(1);
  await loop.now();
  clock.advance(10_000);
  expect(times()).toEqual([0]);
  expect(loop.isStopped).toBe(true);
  expect(clock.pending).toBe(0);
});
