import { expect, test } from '@jest/globals';
import { recentOf } from '../../../src/adapters/timescale/notify/recent-values.ts';
import { notificationOf, T0_MS } from '../../support/notifications.ts';

const values = [8, 8.1, 20, 31, 33].map((value, index) => ({ timeMs: T0_MS + index * 20_000, value }));
/** As the database answers: the newest first. */
const db = { query: <Row>() => Promise.resolve({ rows: [...values].reverse() as Row[] }) };
const firing = { ...notificationOf(), metric: 'temperature', kind: 'threshold' } as const;
const now = T0_MS + 90_000;

test('what is sent at once has the trend, what is sent later by intention the newest value, too', async () => {
  expect(await recentOf(db, firing, now)).toEqual({ trend: 'rising' });
  const newest = values.at(-1);
  expect(await recentOf(db, { ...firing, origin: 'escalation' }, now)).toEqual({ trend: 'rising', newest });
  expect(await recentOf(db, { ...firing, kind: 'rate', origin: 'escalation' }, now)).toEqual({
    trend: 'rising',
  });
  expect(await recentOf(db, { ...firing, kind: 'offline', metric: '' }, now)).toBeUndefined();
});

test('an escalation shows that an acknowledgement has ended while it waited', async () => {
  const asked: unknown[][] = [];
  const acked = {
    query: <Row>(text: string, values: unknown[]) => {
      if (!text.includes('acked_until')) return db.query<Row>();
      asked.push(values);
      return Promise.resolve({ rows: [{}] as Row[] });
    },
  };
  const escalation = { ...firing, origin: 'escalation', escalatedAfterS: 40 } as const;
  expect(await recentOf(acked, escalation, now)).toMatchObject({ trend: 'rising', ackEnded: true });
  expect(asked).toEqual([[firing.alertId, new Date(now - 40_000), new Date(now)]]);
  const missed = { ...escalation, kind: 'offline', metric: '' } as const;
  expect(await recentOf(acked, missed, now)).toEqual({ ackEnded: true });
  expect(await recentOf(acked, firing, now)).toEqual({ trend: 'rising' });
});

test('a value that jumped over a limit never falls at that moment, though the reading itself was not found', async () => {
  const before = [-9.4, -9.4, -9.4, -9.4, -9.4, -9.4, -20, -20];
  const rows = before.map((value, index) => ({ timeMs: T0_MS + index * 20_000, value })).reverse();
  const fallen = { query: <Row>() => Promise.resolve({ rows: [...rows] as Row[] }) };
  // Its own reading is younger by microseconds.
  const eventTimeMs = T0_MS + 160_000;
  const alarm = { ...firing, side: 'high', value: -9.1, threshold: -15, eventTimeMs } as const;
  expect(await recentOf(fallen, alarm, eventTimeMs)).toEqual({ trend: 'rising' });
  expect(await recentOf(fallen, { ...alarm, event: 'reminder', value: -20 }, eventTimeMs)).toEqual({
    trend: 'falling',
  });
});
