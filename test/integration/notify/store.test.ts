import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { TimescaleAlertStore } from '../../../src/adapters/timescale/alert/alert-store.ts';
import type { TimescaleNotificationStore } from '../../../src/adapters/timescale/notify/notification-store.ts';
import type { AlertNotification, AlertStateRow } from '../../../src/core/alert/model.ts';
import type { NewDelivery } from '../../../src/ports/alerts.ts';
import { notificationOf } from '../../support/notifications.ts';
import { type NotificationQueue, openNotificationQueue } from '../../support/notification-queue.ts';
import { START_US, type StoreFixture, batchOf, clear } from '../../support/store-fixtures.ts';

let queue: NotificationQueue;
let db: StoreFixture;
let alerts: TimescaleAlertStore;
let store: TimescaleNotificationStore;
beforeAll(async () => {
  queue = await openNotificationQueue(2);
  ({ db, alerts, store } = queue);
});
beforeEach(() => clear(db));
afterAll(() => queue.close());

const delivery = (of: AlertNotification, ifNotified = false, sink = 'ops'): NewDelivery => ({
  alertId: of.alertId,
  seq: of.seq,
  event: of.event,
  alertType: of.alertType,
  sink,
  ifNotified,
  groupKey: groupOf(of),
  groupIntervalMs: 0,
  dueInMs: 0,
});
const groupOf = ({ alertType }: Pick<AlertNotification, 'alertType'>) =>
  JSON.stringify({ alert_type: alertType });

/** As the daemon does it: the rows with the batch, then the mark with the deliveries. */
async function publish(
  all: readonly AlertNotification[],
  ifNotified: (of: AlertNotification) => boolean = over,
) {
  await db.store.commit(batchOf([], { alerts: { notifications: all } }));
  await alerts.markSent(
    all,
    all.map((each) => delivery(each, ifNotified(each))),
  );
}
const over = ({ event }: AlertNotification) => event === 'resolved';
const waiting = async () =>
  (await store.queueOf('ops').next(100)).map(({ notification }) => notification.event);
const outcomes = () => db.rows('SELECT event, outcome FROM alert_deliveries ORDER BY id');

describe('the queue of a sink', () => {
  test('has what was published, once, however often it is published', async () => {
    const firing = notificationOf();
    await publish([firing]);
    await publish([firing]);
    expect(await store.queueOf('ops').next(10)).toEqual([
      { id: expect.any(Number), notification: firing, origin: null, step: 0, notified: null },
    ]);
    expect(await alerts.pendingNotifications()).toEqual([]);
    expect(await db.rows('SELECT count(*)::int AS n FROM alert_deliveries')).toEqual([{ n: 1 }]);
  });

  test('gives an episode in order: the end only after the beginning is done', async () => {
    const firing = notificationOf();
    const resolved = notificationOf({ alertId: firing.alertId, seq: 2, event: 'resolved' });
    await publish([firing, resolved]);
    const queue = store.queueOf('ops');
    const first = await queue.next(10);
    expect(first.map(({ notification }) => notification.event)).toEqual(['firing']);
    await queue.confirm([first[0]?.id ?? 0], 'sent');
    expect(await waiting()).toEqual(['resolved']);
  });

  test('leaves out the end of an episode that was never sent to the sink', async () => {
    const silent = notificationOf({ event: 'resolved', seq: 2 });
    const notified = notificationOf({ severity: 'critical' });
    await publish([notified]);
    await publish([silent, notificationOf({ alertId: notified.alertId, seq: 2, event: 'resolved' })]);
    expect(await outcomes()).toEqual([
      { event: 'firing', outcome: null },
      { event: 'resolved', outcome: null },
    ]);
  });

  test('leaves out what says that an alert is open, once it has ended', async () => {
    const firing = notificationOf({ severity: 'critical' });
    const of = (seq: number, event: AlertNotification['event']) =>
      notificationOf({ alertId: firing.alertId, seq, event });
    await publish([firing]);
    const queue = store.queueOf('ops');
    await queue.confirm([(await queue.next(1))[0]?.id ?? 0], 'sent');
    await publish([of(2, 'deescalated'), of(3, 'reminder')]);
    await publish([of(4, 'resolved')]);
    const other = notificationOf();
    await publish([other]);
    await publish([
      { ...other, seq: 2, event: 'reminder' },
      { ...other, seq: 3, event: 'resolved' },
    ]);
    // A reminder was all that was on its way to the sink: there is no end of it either.
    const quiet = notificationOf({ event: 'reminder', seq: 2 });
    await publish([quiet]);
    await publish([{ ...quiet, seq: 3, event: 'resolved' }]);
    expect(await outcomes()).toEqual([
      { event: 'firing', outcome: 'sent' },
      { event: 'deescalated', outcome: 'cancelled' },
      { event: 'reminder', outcome: 'cancelled' },
      { event: 'resolved', outcome: null },
      { event: 'firing', outcome: null },
      { event: 'resolved', outcome: null },
      { event: 'reminder', outcome: 'cancelled' },
    ]);
  });

  test('has groups, the most severe first, and settles only what the group counted', async () => {
    const many = Array.from({ length: 25 }, (_, i) =>
      notificationOf({
        alertType: 'temperature_no_data',
        sensorKey: `s${i}`,
        severity: i === 7 ? 'critical' : 'warning',
      }),
    );
    await publish([...many, notificationOf()]);
    const queue = store.queueOf('ops');
    const name = { event: 'firing', groupKey: groupOf({ alertType: 'temperature_no_data' }) } as const;
    const other = { event: 'firing', groupKey: groupOf({ alertType: 'temperature_high' }) } as const;
    expect(await queue.groups(10)).toEqual(
      expect.arrayContaining([name, other].map((each) => ({ ...each, dueInMs: expect.any(Number) }))),
    );
    const group = await queue.group(name, 3);
    expect(group.first.map(({ notification }) => notification.sensorKey)).toEqual(['s7', 's0', 's1']);
    await publish([notificationOf({ alertType: 'temperature_no_data', sensorKey: 'late' })]);
    await queue.confirmGroup(name, group, 'sent');
    expect(group.total).toBe(25);
    expect(await queue.groups(10)).toHaveLength(2);
    expect(await queue.waiting()).toBe(2);
    expect((await queue.group(name, 3)).first.map(({ notification }) => notification.sensorKey)).toEqual([
      'late',
    ]);
  });

  test('thousands at once are queued in slices, each with its mark', async () => {
    const many = Array.from({ length: 4500 }, (_, i) => notificationOf({ sensorKey: `s${i}` }));
    await publish(many);
    expect(await store.queueOf('ops').waiting()).toBe(4500);
    expect(await alerts.pendingNotifications()).toEqual([]);
    expect((await store.queueOf('ops').next(3)).map((each) => each.notification.sensorKey)).toEqual([
      's0', 's1', 's2',
    ]); // prettier-ignore
  });
});

describe('the bounds of a queue', () => {
  const bounds = { max: 1000, maxAgeMs: 86_400_000, collapseAfterMs: 30_000 };
  const age = (minutes: number) =>
    db.rows(
      `UPDATE alert_deliveries SET (created_at, due_at) = (now() - ${minutes} * interval '1 min', now() - ${minutes} * interval '1 min')`,
    );

  test('the oldest give way, and are counted', async () => {
    await publish(Array.from({ length: 8 }, (_, i) => notificationOf({ sensorKey: `s${i}` })));
    expect(await store.enforceLimits('ops', { ...bounds, max: 5 })).toEqual({
      queued: 5, collapsed: 0, dropped: 3, expired: 0,
    }); // prettier-ignore
    const left = await store.queueOf('ops').next(10);
    expect(left.map(({ notification }) => notification.sensorKey)).toEqual(['s3', 's4', 's5', 's6', 's7']);
    expect(await store.enforceLimits('ops', { ...bounds, max: 5 })).toMatchObject({ queued: 5, dropped: 0 });
  });

  test('what is too old is given up', async () => {
    await publish([notificationOf()]);
    await age(60 * 25);
    expect(await store.enforceLimits('ops', bounds)).toMatchObject({ queued: 0, expired: 1 });
  });

  test('of an episode that went on while the sink was down only the newest is sent', async () => {
    const firing = notificationOf();
    const { alertId } = firing;
    const escalated = notificationOf({ alertId, seq: 2, event: 'escalated', severity: 'critical' });
    await publish([
      firing,
      escalated,
      notificationOf({ alertId, seq: 3, event: 'resolved' }),
      notificationOf(),
    ]);
    expect(await store.enforceLimits('ops', bounds)).toMatchObject({ queued: 4, collapsed: 0 });
    await age(1);
    expect(await store.enforceLimits('ops', bounds)).toMatchObject({ queued: 2, collapsed: 2 });
    expect(await waiting()).toEqual(['resolved', 'firing']);
  });
});

describe('several daemons', () => {
  const sink = { name: 'ops', kind: 'webhook' };

  test('one daemon at a time serves a sink; another takes over when the lease is released or expires', async () => {
    expect(await store.lease(sink, 'a', 30_000)).toBe(true);
    expect(await store.lease(sink, 'b', 30_000)).toBe(false);
    expect(await store.lease(sink, 'a', 30_000)).toBe(true);
    await store.release('ops', 'b');
    expect(await store.lease(sink, 'b', 30_000)).toBe(false);
    await store.release('ops', 'a');
    expect(await store.lease(sink, 'b', 0)).toBe(true);
    expect(await store.lease(sink, 'a', 30_000)).toBe(true);
  });

  test('one of many simultaneous requests gets it', async () => {
    const asked = await Promise.all(['a', 'b', 'c', 'd'].map((owner) => store.lease(sink, owner, 30_000)));
    expect(asked.filter(Boolean)).toHaveLength(1);
  });
});

test('a firing whose episode has ended while it waited says so', async () => {
  const [open, ended] = [notificationOf(), notificationOf()];
  await publish([open, ended]);
  await publish([notificationOf({ alertId: ended.alertId, seq: 2, event: 'resolved' })]);
  const items = await store.queueOf('ops').next(10);
  const past = new Map(items.map(({ notification }) => [notification.alertId, notification.past]));
  expect([past.get(open.alertId), past.get(ended.alertId)]).toEqual([undefined, 'over']);
});

describe('sent while the database was away', () => {
  test('recorded before the row exists: the row then queues nothing', async () => {
    const firing = notificationOf();
    await store.record('ops', [{ notification: firing, route: 'notify.routes[1]' }]);
    await publish([firing]);
    expect(await waiting()).toEqual([]);
    expect(await outcomes()).toEqual([{ event: 'firing', outcome: 'sent' }]);
    expect(await db.rows('SELECT route FROM alert_deliveries')).toEqual([{ route: 'notify.routes[1]' }]);
  });

  test('recorded after the row was queued: it is done', async () => {
    const firing = notificationOf();
    await publish([firing]);
    await store.record('ops', [{ notification: firing, route: 'notify.routes[1]' }]);
    expect(await waiting()).toEqual([]);
  });
});

const KEY = { metric: 'temperature', kind: 'threshold', side: 'high' } as const;
const stateOf = (alertId: string): AlertStateRow => ({
  sensorId: 1, ...KEY, alertType: 'temperature_high', state: 'firing', alertId, severity: 'warning', sinceUs: null,
  startedAtUs: START_US, firedAtUs: START_US, threshold: 30, peakValue: 31, seq: 1, lastEventUs: START_US,
  lastValue: 31, ruleHash: 'h', detail: {},
}); // prettier-ignore

test('the new owner of a sink reads what was sent of open episodes, and of those that ended just now', async () => {
  const open = notificationOf();
  const escalated = notificationOf({
    alertId: open.alertId,
    seq: 2,
    event: 'escalated',
    severity: 'critical',
  });
  const ended = notificationOf();
  const end = notificationOf({ alertId: ended.alertId, seq: 2, event: 'resolved' });
  const past = notificationOf();
  await db.store.commit(batchOf([], { alerts: { states: [stateOf(open.alertId)] } }));
  await publish([open, ended, past]);
  await publish([escalated, end]);
  await db.rows(`UPDATE alert_deliveries SET done_at = now(), outcome = 'sent'`);
  await db.rows(`UPDATE alert_deliveries SET done_at = now() - interval '1 h' WHERE alert_id = $1`, [
    past.alertId,
  ]);
  const notified = await store.notified('ops', 900_000);
  expect(notified.map(({ notification }) => notification)).toEqual(expect.arrayContaining([escalated, end]));
  expect(notified).toHaveLength(2);
});

test('what is old is deleted, but for the episodes that are open', async () => {
  const open = notificationOf();
  const closed = notificationOf();
  await db.store.commit(batchOf([], { alerts: { states: [stateOf(open.alertId)] } }));
  await publish([open, closed]);
  await db.rows(`UPDATE alert_deliveries SET done_at = now(), outcome = 'sent'`);
  while (await alerts.pruneSent(Date.now() + 60_000));
  expect(await db.rows('SELECT alert_id FROM alert_outbox')).toEqual([{ alert_id: open.alertId }]);
  expect(await db.rows('SELECT alert_id FROM alert_deliveries')).toEqual([{ alert_id: open.alertId }]);
});

test('progress of a delivery is queryable', async () => {
  await store.lease({ name: 'ops', kind: 'webhook' }, 'a', 30_000);
  const nothing = { sent: 0, refused: 0, dropped: 0, failure: null, refusal: undefined };
  await store.report('ops', { ...nothing, sent: 3, dropped: 2 });
  await store.report('ops', { ...nothing, failure: { message: 'HTTP 503', sinceMs: Date.now() } });
  const status = () =>
    db.rows(
      'SELECT sent::int, dropped::int, last_error, failing_since IS NOT NULL AS failing FROM notify_sinks',
    );
  expect(await status()).toEqual([{ sent: 3, dropped: 2, last_error: 'HTTP 503', failing: true }]);
  await store.report('ops', { ...nothing, sent: 1 });
  expect(await status()).toEqual([{ sent: 4, dropped: 2, last_error: 'HTTP 503', failing: false }]);
});
