import { expect, test } from '@jest/globals';
import { bodyOf } from '../../../src/core/notify/messages.ts';
import { LANGUAGES } from '../../../src/core/notify/text/languages.ts';
import { completed } from '../../../src/sinks/sink.ts';
import { notificationOf } from '../../support/notifications.ts';

test('in a group of escalations those whose acknowledgement has ended do not say that they were not acknowledged', async () => {
  const facts = { name: 'Freezer', location: null };
  const [acked, other] = ['a', 'b'].map((alertId) => ({
    ...{ ...notificationOf({ alertId }), facts, origin: 'escalation' as const, escalatedAfterS: 900 },
  }));
  const group = { notifications: [acked!, other!], total: 2, group: {} };
  const recentOf = ({ alertId }: { readonly alertId: string }) =>
    Promise.resolve(alertId === 'a' ? ({ ackEnded: true } as const) : undefined);
  const delivery = await completed(group, { name: 'phone' }, { recentOf, linksOf: undefined });
  const context = { language: LANGUAGES.en, timezone: 'UTC', nowMs: acked!.eventTimeMs };
  const lines = bodyOf(delivery, {}, context).split('\n').slice(0, 2);
  expect(lines.map((line) => line.includes('not acknowledged for 15 min'))).toEqual([false, true]);
  const firings = { ...group, notifications: [{ ...acked!, escalatedAfterS: undefined }] };
  expect(await completed(firings, { name: 'phone' }, { recentOf, linksOf: undefined })).toEqual(firings);
});
