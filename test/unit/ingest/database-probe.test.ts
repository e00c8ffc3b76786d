import { expect, test } from '@jest/globals';
import { FieldwatchError } from '../../../src/core/errors.ts';
import { DatabaseProbe } from '../../../src/services/ingest/database-probe.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const away = () => new FieldwatchError('database: away', { code: 'DB_UNREACHABLE', kind: 'transient' });

/** Lets what was asked be answered between two timers. */
async function pass(clock: FakeClock, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    clock.advance(1000);
    for (let tick = 0; tick < 10; tick++) await Promise.resolve();
  }
}

test('a database that is lost, hangs or returns is detected within 10 s though nothing is written', async () => {
  const clock = new FakeClock();
  let answer: () => Promise<void> = async () => {};
  let back = 0;
  const probe = new DatabaseProbe({ clock, query: () => answer(), onBack: () => back++ });
  await probe.start();
  expect(probe.trouble).toBeUndefined();

  answer = () => Promise.reject(away());
  await pass(clock, 10);
  expect(probe.trouble).toMatchObject({ code: 'DB_UNREACHABLE', message: 'database: away' });

  expect(back).toBe(0);
  answer = async () => {};
  await pass(clock, 10);
  expect(probe.trouble).toBeUndefined();
  expect(back).toBe(1);

  answer = () => new Promise(() => {});
  await pass(clock, 10);
  expect(probe.trouble).toMatchObject({ code: 'DB_NO_ANSWER' });
  probe.stop();
});
