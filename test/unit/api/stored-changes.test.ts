import { expect, test } from '@jest/globals';
import { DatabaseChanges } from '../../../src/api/events/stored-changes.ts';
import { sensorIdsSql } from '../../../src/queries/alert-changes.ts';
import { latestCoreSql } from '../../../src/queries/latest-values.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('the key of a sensor that was forgotten is followed to the one that has it next', async () => {
  const clock = new FakeClock();
  let id = 1;
  const db = {
    query: async <Row>(text: string, values: unknown[]) => {
      const rows =
        text === sensorIdsSql ? [{ id, key: 'a' }] : text === latestCoreSql ? valuesOf(values) : [];
      return { rows: rows as Row[] };
    },
  };
  const valuesOf = ([ids]: unknown[]) => {
    const at = new Date(clock.nowMs());
    return (ids as number[]).includes(id) ? [{ id, temperature: id, temperature_at: at }] : [];
  };
  const changes = new DatabaseChanges(db, clock);
  const seen = async () =>
    (await changes.values(['a'])).map(
      ({ data }) => (data as { latest: { value: number }[] }).latest[0]?.value,
    );
  expect(await seen()).toEqual([1]);
  id = 2;
  clock.advance(1000);
  expect(await seen()).toEqual([]);
  clock.advance(9000);
  expect(await seen()).toEqual([2]);
});
