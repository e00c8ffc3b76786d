import { expect, test } from '@jest/globals';
import { slotsCheck } from '../../../src/core/policy/check/slots.ts';
import { factsOf, planWith } from '../../support/policy-plan.ts';

const GIB = 1024 ** 3;
const evaluate = (retained: number, bounded: boolean, section = {}) => {
  const plan = planWith(section);
  const row = { name: "old'one", type: 'physical', size: 4 * GIB, retained: retained * GIB, bounded };
  return slotsCheck.evaluate(plan, factsOf(plan), [[row]])[0];
};

test('a slot that nothing reads is graver the more it keeps, by the disk where its size is known', () => {
  expect(evaluate(2, false)?.severity).toBe('warning');
  expect(evaluate(20, false)?.severity).toBe('critical');
  expect(evaluate(20, true)?.severity).toBe('warning');
  expect(evaluate(4, false, { disk: { budget: '10 GB' } })?.severity).toBe('critical');
  expect(evaluate(20, false)?.remedy).toMatch(
    /^as superuser: SELECT pg_drop_replication_slot\('old''one'\); .*max_slot_wal_keep_size = '40GB'/,
  );
});

test('a standby has no WAL of its own, and is not queried', () => {
  const plan = planWith();
  expect(slotsCheck.queries(plan, factsOf(plan, { standby: true }))).toEqual([]);
});
