import { expect, test } from '@jest/globals';
import { unsentWords } from '../../../src/cli/notify/preview.ts';
import { outcomeAt } from '../../../src/queries/past-notifications.ts';

test('of what a sink was not sent it says why', () => {
  const deliveries = [
    { sink: 'phone', seq: 1, outcome: 'sent' },
    { sink: 'phone', seq: 2, outcome: 'collapsed' },
    { sink: 'mail', seq: 2, outcome: 'sent' },
    { sink: 'phone', seq: 3, outcome: null },
  ];
  const why = (sink?: string, all = deliveries) =>
    [1, 2, 3].map((seq) => unsentWords({ suppressed: null, outcome: outcomeAt(all, sink)({ seq }) }));
  expect(why('phone')).toEqual([null, 'left out for a newer one', 'waits']);
  const none = 'no route has it for this sink';
  expect(why('boss')).toEqual([none, none, none]);
  expect(why()).toEqual([null, null, 'waits']);
  // Deliveries are kept for a while only.
  expect(why('boss', [])).toEqual([null, null, null]);
  expect(unsentWords({ suppressed: 'silence', outcome: 'none' })).toBe('silenced by an operator');
});
