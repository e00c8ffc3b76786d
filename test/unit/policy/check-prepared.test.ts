import { expect, test } from '@jest/globals';
import { withoutEffects } from '../../../src/core/policy/check/causes.ts';
import { preparedCheck } from '../../../src/core/policy/check/prepared.ts';
import { factsOf, planWith } from '../../support/policy-plan.ts';

const plan = planWith();
const row = { gid: "xa'1", owner: 'shop', since: '2026-11-29 12:00:00+00', relations: 'sensors' };
const found = (row: object) => preparedCheck.evaluate(plan, factsOf(plan), [[{ ...row }]]);

test('a prepared transaction that keeps writers waiting is critical, one that holds rows a warning', () => {
  expect(found({ ...row, own: false, blocks: true })).toMatchObject([
    {
      ...{ subject: "prepared transaction xa'1", severity: 'critical' },
      remedy: expect.stringMatching(/^as shop or superuser: ROLLBACK PREPARED 'xa''1'; -- or COMMIT/),
    },
  ]);
  expect(found({ ...row, own: true, blocks: false })).toMatchObject([
    { severity: 'warning', remedy: expect.stringMatching(/^ROLLBACK PREPARED 'xa''1';/) },
  ]);
});

test('checks that waited for it say nothing more', () => {
  const waited = { check: 'audit', waited: true, refused: false, lacking: false, reason: '55P03' };
  const left = (blocks: boolean) =>
    withoutEffects([waited], [{ check: preparedCheck, findings: found({ ...row, own: true, blocks }) }]);
  expect(left(true)).toEqual([]);
  expect(left(false)).toEqual([waited]);
});
