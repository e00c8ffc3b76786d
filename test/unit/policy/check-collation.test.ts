import { expect, test } from '@jest/globals';
import { collationCheck } from '../../../src/core/policy/check/collation.ts';
import { factsOf, planWith } from '../../support/policy-plan.ts';

const plan = planWith();
const evaluate = (recorded: string | null, actual: string | null) =>
  collationCheck.evaluate(plan, factsOf(plan, { database: 'iot-eu' }), [[{ recorded, actual }]]);

test('indexes that were built in another order are critical; where there is no version there is no other order', () => {
  expect(evaluate('153.120', '153.121')).toMatchObject([
    { severity: 'critical', remedy: expect.stringContaining(': REINDEX DATABASE "iot-eu"; ALTER DATABASE') },
  ]);
  for (const [recorded, actual] of [
    ['153.120', '153.120'],
    [null, '153.120'],
    ['2.28', null],
  ] as const)
    expect(evaluate(recorded, actual)).toEqual([]);
});
