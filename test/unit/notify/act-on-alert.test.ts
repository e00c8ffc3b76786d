import { expect, test } from '@jest/globals';
import { actOnAlert } from '../../../src/app/operator/act-on-alert.ts';
import type { Db } from '../../../src/queries/db.ts';
import { earlierRequestSql, standingAckSql } from '../../../src/queries/alert-requests.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { T0_MS } from '../../support/notifications.ts';

const at = (minute: number) => new Date(T0_MS + minute * 60_000);
const asked = { kind: 'ack', id: '7', by: 'bob', at: at(9), endsAt: at(14) } as const;
const request = { action: 'ack', alertId: 'a', by: 'bob', comment: '', requestId: 'r' } as const;

async function answerOf(outcome: string, standing: readonly object[]) {
  const rows: Readonly<Record<string, readonly object[]>> = {
    [earlierRequestSql]: [{ ...asked, outcome }],
    [standingAckSql]: standing,
  };
  const db = { query: (text: string) => Promise.resolve({ rows: rows[text] ?? [] }) } as unknown as Db;
  return actOnAlert(db, request, { clock: new FakeClock(), patienceMs: 0 });
}

test('the answer names the earlier acknowledgement', async () => {
  const standing = [{ by: 'ann', at: at(3), endsAt: null }];
  expect(await answerOf('already', standing)).toEqual({
    ...{ action: 'ack', outcome: 'already', by: 'ann', atMs: at(3).getTime(), untilMs: undefined },
    repeated: true,
  });
  // Its row is not kept any more.
  expect(await answerOf('already', [])).toEqual({ action: 'ack', outcome: 'already', repeated: true });
  expect(await answerOf('done', standing)).toMatchObject({ by: 'bob', untilMs: at(14).getTime() });
});
