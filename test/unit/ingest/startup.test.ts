import { describe, expect, it } from '@jest/globals';
import { FieldwatchError } from '../../../src/core/errors.ts';
import { DeferredStartup } from '../../../src/services/ingest/startup.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { settle } from '../../support/fakes.ts';

const away = new FieldwatchError('refused', { code: 'DB_UNREACHABLE', kind: 'transient' });
const done = async () => {};
const never = () => new Promise<never>(() => undefined);
const failing = (error: Error) => async () => {
  throw error;
};

describe('the part of a start that needs the database', () => {
  it('is done at the start where the database is there', async () => {
    const start = new DeferredStartup({ tryConnect: done, run: done });
    expect(await start.tryNow(new FakeClock(), 5000)).toBeUndefined();
    expect(start.done).toBe(true);
    expect(await start.retry(new AbortController().signal)).toBe(false);
  });

  it.each([
    ['does not answer the door', { tryConnect: failing(away), run: done }],
    ['goes away in the middle', { tryConnect: done, run: failing(away) }],
  ])('is left for later where the database %s', async (_, steps) => {
    const start = new DeferredStartup(steps);
    expect(await start.tryNow(new FakeClock(), 5000)).toBe(away);
    expect(start.done).toBe(false);
  });

  it('is left for later where the database is silent for as long as a batch would wait', async () => {
    const clock = new FakeClock();
    const outcome = new DeferredStartup({ tryConnect: never, run: done }).tryNow(clock, 5000);
    await settle();
    clock.advance(5000);
    expect(await outcome).toMatchObject({ code: 'DB_NO_ANSWER' });
  });

  it.each([
    ['auth', 'DB_AUTH'],
    ['config', 'DB_NO_DATABASE'],
    ['schema', 'SCHEMA_NEWER'],
  ] as const)('ends the start if the operator has to fix something: %s', async (kind, code) => {
    const fault = new FieldwatchError('no', { code, kind });
    for (const steps of [
      { tryConnect: failing(fault), run: done },
      { tryConnect: done, run: failing(fault) },
    ])
      await expect(new DeferredStartup(steps).tryNow(new FakeClock(), 5000)).rejects.toBe(fault);
  });

  it('is done later, once, and reported; a stop does not wait for it', async () => {
    let runs = 0;
    const outcomes = [failing(away), never, done];
    const start = new DeferredStartup({ tryConnect: done, run: () => (outcomes[runs++] ?? done)() });
    const running = new AbortController();
    await expect(start.retry(running.signal)).rejects.toBe(away);
    const stopped = new AbortController();
    const pending = start.retry(stopped.signal);
    stopped.abort();
    await expect(pending).rejects.toMatchObject({ kind: 'transient' });
    expect(await start.retry(running.signal)).toBe(true);
    await start.whenDone;
    expect(await start.retry(running.signal)).toBe(false);
    expect(runs).toBe(3);
  });
});
