import { expect, test } from '@jest/globals';
import { coalesce } from '../../../src/lib/coalesce.ts';
import { settle } from '../../support/fakes.ts';

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
