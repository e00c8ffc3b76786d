import { expect, test } from '@jest/globals';
import { SerialQueue, coalesce } from '../../../src/lib/serial-queue.ts';
import { settle } from '../../support/fakes.ts';

/** A task whose end the test decides. */
function task(name: string, seen: string[]) {
  const { promise, resolve, reject } = gate();
  const run = async () => {
    seen.push(`${name} begins`);
    await promise;
    seen.push(`${name} ends`);
    return name;
  };
  return { run, end: resolve, fail: reject };
}

function gate() {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}

test('one task at a time, in the order of the calls', async () => {
  const seen: string[] = [];
  const queue = new SerialQueue();
  const [first, second] = [task('first', seen), task('second', seen)];
  const results = [queue.run(first.run), queue.run(second.run)];
  second.end();
  await Promise.resolve();
  expect(seen).toEqual(['first begins']);
  first.end();
  expect(await Promise.all(results)).toEqual(['first', 'second']);
  expect(seen).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
});

test('a task that rejects gives its error to its caller, and the next one runs', async () => {
  const queue = new SerialQueue();
  const failed = queue.run(() => Promise.reject(new Error('no')));
  const thrown = queue.run(() => {
    throw new Error('not even a promise');
  });
  const next = queue.run(async () => 'done');
  await expect(failed).rejects.toThrow('no');
  await expect(thrown).rejects.toThrow('not even a promise');
  expect(await next).toBe('done');
});

test('idle waits for what was queued before, whether it succeeds or not', async () => {
  const seen: string[] = [];
  const queue = new SerialQueue();
  const [first, second] = [task('first', seen), task('second', seen)];
  const failed = queue.run(first.run).catch(() => seen.push('first failed'));
  expect(queue.isIdle).toBe(false);
  const idle = queue.idle().then(() => seen.push('idle'));
  first.fail(new Error('no'));
  await idle;
  await failed;
  expect([...seen].sort()).toEqual(['first begins', 'first failed', 'idle']);
  void queue.run(second.run);
  second.end();
  await queue.idle();
  expect(seen).toContain('second ends');
  expect(queue.isIdle).toBe(true);
});

test('calls close together: one run at a time, and the last begins after the last call', async () => {
  let file = 'first';
  const read: string[] = [];
  const ends: (() => void)[] = [];
  const hangup = coalesce(async () => {
    read.push(file);
    await new Promise<void>((resolve) => ends.push(resolve));
  });
  hangup();
  await settle(2);
  for (const next of ['second', 'third']) {
    file = next;
    hangup();
  }
  await settle(2);
  expect(read).toEqual(['first']);
  ends.shift()?.();
  await settle(2);
  expect(read).toEqual(['first', 'third']);
  ends.shift()?.();
  file = 'fourth';
  hangup();
  await settle(2);
  expect(read).toEqual(['first', 'third', 'fourth']);
});
