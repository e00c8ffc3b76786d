import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type HeldLease, LEASE_MS, LeaseLoop, STANDBY_MS } from '../../../src/lib/lease-loop.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

const settled = async () => {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
};

/** The row of one lease, as the database has it. */
class Row {
  owner: string | undefined;
  untilMs = 0;
  asked: string[] = [];
  fault: Error | undefined;
  /** Daemons of which nothing arrives. */
  readonly killed = new Set<string>();
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async lease(_of: { name: string; kind: string }, owner: string, ttlMs: number): Promise<boolean> {
    this.asked.push(owner);
    if (this.killed.has(owner)) return true;
    if (this.fault !== undefined) throw this.fault;
    const nowMs = this.#clock.monotonicMs();
    if (this.owner !== owner && nowMs < this.untilMs) return false;
    [this.owner, this.untilMs] = [owner, nowMs + ttlMs];
    return true;
  }

  async release(_name: string, owner: string): Promise<void> {
    if (this.owner === owner) this.untilMs = 0;
  }
}

class Refused extends Error {
  readonly retryAfterMs = 30_000;
}

let clock: FakeClock;
let row: Row;
let logger: QuietLogger;
let loops: LeaseLoop[];

beforeEach(() => {
  clock = new FakeClock();
  [row, logger, loops] = [new Row(clock), new QuietLogger(), []];
});
afterEach(async () => {
  for (const loop of loops) await loop.stop();
});

/** Each run waits for its end, as for a press or a connection. */
function daemon(owner: string, { hasOwnEnd = true } = {}) {
  const state = {
    runs: 0,
    running: 0,
    lease: undefined as HeldLease | undefined,
    end: (_error?: Error): void => undefined,
  };
  const run = async (lease: HeldLease) => {
    [state.runs, state.running, state.lease] = [state.runs + 1, state.running + 1, lease];
    await new Promise<void>((resolve, reject) => {
      state.end = (error) => (error === undefined ? resolve() : reject(error));
      if (hasOwnEnd) lease.signal.addEventListener('abort', () => resolve());
    }).finally(() => state.running--);
  };
  const loop = new LeaseLoop(
    {
      ...{ name: 'it', kind: 'test', failed: 'it does not work, retrying', run },
      retryAfterMs: (error) => (error instanceof Refused ? error.retryAfterMs : undefined),
    },
    { store: row, owner, clock, logger },
  );
  loops.push(loop);
  loop.start();
  return { state, loop };
}

const after = async (ms: number) => {
  clock.advance(ms);
  await settled();
};

test('one runs; the other tries every five seconds, and takes over when that one has stopped', async () => {
  const one = daemon('one');
  await settled();
  const two = daemon('two');
  await settled();
  const looks = () => row.asked.filter((owner) => owner === 'two').length;
  await after(4999);
  expect(looks()).toBe(1);
  await after(1);
  expect(looks()).toBe(2);
  expect([one.state.running, two.state.running]).toEqual([1, 0]);
  await one.loop.stop();
  expect(one.state.running).toBe(0);
  await after(5000);
  expect(two.state.running).toBe(1);
});

test('work that takes longer than the lease keeps it', async () => {
  const one = daemon('one');
  await settled();
  const two = daemon('two');
  await settled();
  for (let seconds = 0; seconds < 60; seconds++) await after(1000);
  expect([one.state.runs, one.state.running, two.state.runs]).toEqual([1, 1, 0]);
});

test('of one that is killed the lease lasts for its time, 15 seconds with the attempt of the next one', async () => {
  const one = daemon('one');
  await settled();
  row.killed.add('one');
  const two = daemon('two');
  await settled();
  await after(LEASE_MS - STANDBY_MS);
  expect(two.state.runs).toBe(0);
  await after(STANDBY_MS);
  await after(STANDBY_MS);
  expect([two.state.running, LEASE_MS + STANDBY_MS]).toEqual([1, 15_000]);
  one.state.end();
});

test('work that has ended runs again at once, under a lease of its own', async () => {
  const { state } = daemon('one');
  await settled();
  for (let times = 1; times <= 3; times++) {
    state.end();
    await settled();
  }
  expect(state.runs).toBe(4);
  expect(row.asked).toHaveLength(4);
});

test('work that fails is retried in five seconds, or when it may be; its outage is one line', async () => {
  const { state } = daemon('one');
  await settled();
  for (let times = 0; times < 3; times++) {
    state.end(new Error('gone'));
    await settled();
    await after(4999);
    expect(state.running).toBe(0);
    await after(1);
    expect(state.running).toBe(1);
  }
  expect(logger.entries).toMatchObject([
    { message: 'it does not work, retrying', fields: { error: 'gone' } },
  ]);
  state.lease!.works();
  state.end(new Refused('too many requests'));
  await settled();
  await after(29_999);
  expect(state.running).toBe(0);
  await after(1);
  expect(state.running).toBe(1);
  expect(logger.entries).toHaveLength(2);
});

test('without the store nothing runs; with it it does again', async () => {
  row.fault = new Error('no database');
  const { state } = daemon('one');
  await settled();
  await after(5000);
  expect([row.asked.length, state.runs]).toEqual([2, 0]);
  row.fault = undefined;
  await after(5000);
  expect(state.running).toBe(1);
});

test('work whose lease is lost is aborted, and does not run again while another has it', async () => {
  const one = daemon('one');
  await settled();
  [row.owner, row.untilMs] = ['two', clock.monotonicMs() + 30_000];
  await after(3000);
  expect([one.state.lease!.signal.aborted, one.state.running]).toEqual([true, 0]);
  for (let seconds = 0; seconds < 25; seconds += 5) await after(5000);
  expect(one.state.runs).toBe(1);
  await after(5000);
  expect([one.state.runs, one.state.running, logger.entries]).toEqual([2, 1, []]);
});

test('a database that is away takes no lease: the work goes on', async () => {
  const { state } = daemon('one');
  await settled();
  row.fault = new Error('no database');
  for (let seconds = 0; seconds < 60; seconds += 3) await after(3000);
  expect([state.runs, state.running, logger.entries]).toEqual([1, 1, []]);
});

test('after a time in which the process stood still, the lease is renewed before anything is done under it', async () => {
  const { state } = daemon('one');
  await settled();
  const { lease } = state;
  expect([await lease!.hold(), row.asked.length]).toEqual([true, 1]);
  clock.sleepOver(60_000);
  expect([await lease!.hold(), row.asked.length]).toEqual([true, 2]);
  clock.sleepOver(60_000);
  [row.owner, row.untilMs] = ['two', clock.monotonicMs() + 30_000];
  expect([await lease!.hold(), lease!.signal.aborted]).toEqual([false, true]);
});

test('woken, a failure and another daemon are waited for no longer', async () => {
  const { state, loop } = daemon('one');
  await settled();
  state.end(new Error('gone'));
  await settled();
  loop.wake();
  await settled();
  expect(state.running).toBe(1);
  const two = daemon('two');
  await settled();
  row.untilMs = 0;
  two.loop.wake();
  await settled();
  expect(two.state.running).toBe(1);
});

test('a stop aborts the work, waits for it, and gives the lease back; twice at once is one stop', async () => {
  const { state, loop } = daemon('one', { hasOwnEnd: false });
  await settled();
  let stops = 0;
  const stopping = [loop.stop(), loop.stop()].map((stop) => stop.then(() => stops++));
  await settled();
  expect(state.lease!.signal.aborted).toBe(true);
  expect(stops).toBe(0);
  state.end();
  await Promise.all(stopping);
  expect(row.untilMs).toBe(0);
  expect([state.runs, clock.pending]).toEqual([1, 0]);
});

test.each(['in standby', 'after a failure'])('a stop %s waits for nothing', async (when) => {
  const { state } = daemon('one');
  await settled();
  const { loop } = when === 'in standby' ? daemon('two') : { loop: loops[0]! };
  if (when === 'after a failure') state.end(new Error('gone'));
  await settled();
  await loop.stop();
  expect(state.runs).toBe(1);
});
