import { expect, test } from '@jest/globals';
import { deadline, endsWithin, unlessAborted, withDeadline } from '../../../src/lib/timeout.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const never = () => new Promise<never>(() => undefined);

test('deadline: the answer in time, or the error that is given; no timer stays behind', async () => {
  const clock = new FakeClock();
  expect(await deadline(Promise.resolve(7), 100, clock)).toBe(7);
  await expect(deadline(Promise.reject(new Error('no')), 100, clock)).rejects.toThrow('no');
  await Promise.resolve();
  expect(clock.pending).toBe(0);
  const late = deadline(never(), 100, clock, () => new Error('too late'));
  clock.advance(100);
  await expect(late).rejects.toThrow('too late');
});

test('endsWithin: whether the work is done in time, and its error if that comes in time', async () => {
  const clock = new FakeClock();
  expect(await endsWithin(Promise.resolve(), 100, clock)).toBe(true);
  await expect(endsWithin(Promise.reject(new Error('no')), 100, clock)).rejects.toThrow('no');
  expect(clock.pending).toBe(0);
  const late = endsWithin(never(), 100, clock);
  clock.advance(100);
  expect(await late).toBe(false);
});

test('unlessAborted: rejects with DB_NO_ANSWER or what is given, and ignores the late outcome', async () => {
  const stop = new AbortController();
  const waits = unlessAborted(never(), stop.signal);
  const other = unlessAborted(
    Promise.reject(new Error('late')),
    AbortSignal.abort(),
    () => new Error('given up'),
  );
  stop.abort();
  await expect(waits).rejects.toMatchObject({ code: 'DB_NO_ANSWER' });
  await expect(other).rejects.toThrow();
  expect(await unlessAborted(Promise.resolve(3), undefined)).toBe(3);
});

test('withDeadline: work that answers may take as long as it needs, work that stalls is aborted', async () => {
  const clock = new FakeClock();
  let answer = () => {};
  let aborted = false;
  const work = withDeadline(clock, { ms: 100, stepMs: 50 }, (signal, answered) => {
    answer = answered;
    signal.addEventListener('abort', () => (aborted = true));
    return unlessAborted(never(), signal);
  });
  for (let step = 0; step < 10; step++) {
    clock.advance(40);
    answer();
  }
  expect(aborted).toBe(false);
  clock.advance(50);
  expect(aborted).toBe(true);
  await expect(work).rejects.toMatchObject({ code: 'DB_NO_ANSWER' });
  expect(clock.pending).toBe(0);
});

test('withDeadline: the signal of the caller ends it too', async () => {
  const [clock, stop] = [new FakeClock(), new AbortController()];
  const work = withDeadline(clock, { ms: 100 }, (signal) => unlessAborted(never(), signal), stop.signal);
  stop.abort();
  await expect(work).rejects.toMatchObject({ code: 'DB_NO_ANSWER' });
  expect(clock.pending).toBe(0);
});
