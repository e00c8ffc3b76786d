import { expect, test } from '@jest/globals';
import { FieldwatchError } from '../../../src/core/errors.ts';
import { Outage } from '../../../src/lib/outage.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const away = (message: string, code = 'DB_AWAY') => new FieldwatchError(message, { code, kind: 'transient' });

test('an attempt is news when the outage begins and when its code changes; the end says how long it was', () => {
  const clock = new FakeClock();
  const outage = new Outage(clock);
  const beganMs = clock.nowMs();
  expect(outage.recovered()).toBeUndefined();
  expect(outage.failed(away('refused'))).toBe(true);
  clock.advance(500);
  expect(outage.failed(away('refused at another port'))).toBe(false);
  expect(outage.failed(away('no such role', 'DB_AUTH'))).toBe(true);
  expect(outage.trouble).toEqual({ code: 'DB_AUTH', message: 'no such role', sinceMs: beganMs });
  clock.advance(1000);
  expect(outage.recovered()).toBe(1500);
  expect(outage.trouble).toBeUndefined();
  expect(outage.recovered()).toBeUndefined();
  expect(outage.failed(away('no such role', 'DB_AUTH'))).toBe(true);
});

test('errors without a code are of one kind', () => {
  const outage = new Outage(new FakeClock());
  expect(outage.failed(new Error('EIO'))).toBe(true);
  expect(outage.failed('not even an error')).toBe(false);
  expect(outage.trouble).toMatchObject({ code: 'UNEXPECTED', message: 'not even an error' });
});
