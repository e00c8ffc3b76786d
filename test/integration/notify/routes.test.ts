import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { settingsOf } from '../../../src/app/wiring/notify.ts';
import type { TimescaleAlertStore } from '../../../src/adapters/timescale/alert/alert-store.ts';
import type { TimescaleNotificationStore } from '../../../src/adapters/timescale/notify/notification-store.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { routesOf } from '../../../src/config/notify-routes.ts';
import type { AlertNotification, AlertStateRow } from '../../../src/core/alert/model.ts';
import { AlertPublisher } from '../../../src/services/alert/publisher.ts';
import { NotificationDispatcher, type NotifySetup } from '../../../src/services/notify/dispatcher.ts';
import { NotificationMetrics } from '../../../src/services/notify/metrics.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeSink } from '../../support/fake-deliveries.ts';
import { notificationOf as madeOf } from '../../support/notifications.ts';
import { type NotificationQueue, openNotificationQueue } from '../../support/notification-queue.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { START_US, type StoreFixture, batchOf, clear } from '../../support/store-fixtures.ts';

let queue: NotificationQueue;
let db: StoreFixture;
let alerts: TimescaleAlertStore;
let store: TimescaleNotificationStore;
/** Fires at noon of the clock of `daemon`. */
const NOON_MS = Date.UTC(2026, 0, 7, 12);
const notificationOf = (more: Partial<AlertNotification> = {}) =>
  madeOf({ eventTimeMs: NOON_MS, startedAtMs: NOON_MS, firedAtMs: NOON_MS, ...more });
const dispatchers: NotificationDispatcher[] = [];
beforeAll(async () => {
  queue = await openNotificationQueue(4);
  ({ db, alerts, store } = queue);
});
beforeEach(() => clear(db));
afterAll(() => queue.close());

const setupOf = (routes: string, sinks: ReadonlyMap<string, FakeSink>): NotifySetup => {
  const names = [...sinks.keys()].map(
    (name) => `{ name: ${name}, kind: webhook, url: "http://x", group_wait: 0s, group_interval: 0s }`,
  );
  const text = `routes: [{ topic: "a/{device}", codec: json }]
notify:
  sinks: [${names.join(', ')}]
  times: { nights: { window: "22:00-06:00" } }
  routes:
${routes}`;
  const { notify } = loadConfig({ text, env: {}, hostname: 'pi' }).config;
  return {
    sinks: notify.sinks.map((sink) => ({
      settings: settingsOf(sink),
      make: () => sinks.get(sink.name) ?? new FakeSink(),
      fingerprint: sink.name,
    })),
    routes: routesOf(notify),
    times: notify.times,
  };
};

/** A daemon's notification side. Held deliveries become due by `due`: the database's clock decides. */
function daemon(routes: string, { owner = 'me', hourUtc = 12, sinks = newSinks() } = {}) {
  const clock = new FakeClock(Date.UTC(2026, 0, 7, hourUtc));
  const logger = new QuietLogger();
  const dispatcher = new NotificationDispatcher(setupOf(routes, sinks), {
    store,
    owner,
    factsOf: () => ({ name: null, location: 'lab', type: null, tags: [] }),
    clock,
    logger,
    metrics: new NotificationMetrics(db.metrics),
    random: () => 0.5,
  });
  const publisher = new AlertPublisher({ store: alerts, logger, clock, router: dispatcher });
  dispatchers.push(dispatcher);
  dispatcher.start();
  return {
    clock,
    dispatcher,
    /** As a batch does it; `states` is what the engine has stored of its episodes by then. */
    publish: async (all: readonly AlertNotification[], states: readonly AlertStateRow[] = []) => {
      await db.store.commit(batchOf([], { alerts: { notifications: all, states } }));
      publisher.publish(all);
      await publisher.settled();
    },
    reload: (next: string) => dispatcher.reconfigure(setupOf(next, sinks)),
    /** What a sink got: `event`, with what made the delivery. */
    got: (sink: string) =>
      (sinks.get(sink)?.got ?? []).map(({ notifications: [first], total }) =>
        [first?.event, first?.origin, total > 1 ? total : undefined]
          .filter((part) => part !== undefined)
          .join(' '),
      ),
    /** Looks at the queues until a sink got so many. */
    until: (sink: string, count: number) =>
      eventually(`${sink} has ${count}`, () => {
        clock.advance(5000);
        return (sinks.get(sink)?.got.length ?? 0) >= count;
      }),
    /** Until nothing is due, and nothing waits. */
    idle: () =>
      eventually('nothing is due', async () => {
        clock.advance(5000);
        const [row] = await db.rows<{ n: number }>(
          `SELECT count(*)::int AS n FROM alert_deliveries WHERE done_at IS NULL AND NOT held OR held AND due_at <= now()`,
        );
        return row?.n === 0;
      }),
  };
}
const newSinks = () => new Map(['phone', 'mail', 'boss'].map((name) => [name, new FakeSink()]));
// A worker that goes on would serve the sinks of the next test, and hold what is cleared before it.
afterEach(async () => {
  for (const dispatcher of dispatchers.splice(0)) await dispatcher.stop();
});

/** Time goes on, as far as held deliveries are concerned. */
const due = (origin?: string) =>
  db.rows(`UPDATE alert_deliveries SET due_at = now() WHERE held AND ($1::text IS NULL OR origin = $1)`, [
    origin ?? null,
  ]);
const held = () => db.rows(`SELECT sink, origin, step FROM alert_deliveries WHERE held ORDER BY sink, step`);
const outcomes = (sink: string) =>
  db.rows(`SELECT event, origin, outcome FROM alert_deliveries WHERE sink = $1 ORDER BY id`, [sink]);
const stateOf = ({ alertId }: AlertNotification, detail = {}, more: Partial<AlertStateRow> = {}): AlertStateRow => ({
  sensorId: 1, metric: 'temperature', kind: 'threshold', side: 'high', alertType: 'temperature_high', state: 'firing', alertId,
  severity: 'warning', sinceUs: null, startedAtUs: START_US, firedAtUs: START_US, threshold: 30, peakValue: 31, seq: 1,
  lastEventUs: START_US, lastValue: 31, ruleHash: 'h', detail, ...more,
}); // prettier-ignore
const store1 = (state: AlertStateRow) => db.store.commit(batchOf([], { alerts: { states: [state] } }));
const endOf = (firing: AlertNotification, seq = 2) =>
  notificationOf({ alertId: firing.alertId, seq, event: 'resolved' });

describe('a route', () => {
  const ROUTES = '    - { match: { severity: critical }, to: [phone, boss] }\n    - { to: phone }';

  test('the end goes to the sinks that had the firing, once each, also when the routes changed meanwhile', async () => {
    const { publish, reload, got, idle } = daemon(ROUTES);
    const critical = notificationOf({ severity: 'critical' });
    const warning = notificationOf();
    await publish([critical, warning], [stateOf(critical)]);
    await idle();
    await reload('    - { to: mail }');
    await publish([endOf(critical), endOf(warning)]);
    await idle();
    expect([got('phone'), got('boss'), got('mail')]).toEqual([
      ['firing 2', 'resolved 2'],
      ['firing', 'resolved'],
      [],
    ]);
  });

  test('is recorded with what goes by it, as it was then; what follows the firing has none', async () => {
    const { publish, reload, until, idle } = daemon(
      `    - { match: { severity: critical }, to: boss, continue: true }
    - { to: phone, repeat_interval: 1h, escalate: [{ after: 15m, to: mail }] }`,
    );
    const critical = notificationOf({ severity: 'critical' });
    await publish([critical], [stateOf(critical)]);
    await until('phone', 1);
    await idle();
    await reload('    - { to: [boss, phone, mail] }');
    await publish([endOf(critical)]);
    await idle();
    expect(
      await db.rows(`SELECT DISTINCT sink, event, origin, route FROM alert_deliveries ORDER BY sink, event`),
    ).toEqual([
      { sink: 'boss', event: 'firing', origin: null, route: 'notify.routes[0]' },
      { sink: 'boss', event: 'resolved', origin: null, route: null },
      { sink: 'mail', event: 'firing', origin: 'escalation', route: 'notify.routes[1]' },
      { sink: 'phone', event: 'firing', origin: null, route: 'notify.routes[1]' },
      { sink: 'phone', event: 'reminder', origin: 'reminder', route: 'notify.routes[1]' },
      { sink: 'phone', event: 'resolved', origin: null, route: null },
    ]);
  });
});

describe('a mute time', () => {
  const ROUTES = '    - { to: phone, mute: [nights] }';

  test('what still fires at its end is sent then', async () => {
    const { publish, got, idle, until } = daemon(ROUTES, { hourUtc: 23 });
    const firing = notificationOf();
    await publish([firing], [stateOf(firing)]);
    await idle();
    expect(got('phone')).toEqual([]);
    const [row] = await db.rows<{ h: number }>(
      `SELECT round(extract(epoch FROM due_at - created_at) / 3600)::int AS h FROM alert_deliveries`,
    );
    expect(row?.h).toBe(7);
    await due();
    await until('phone', 1);
    expect(got('phone')).toEqual(['firing mute']);
    await publish([endOf(firing)]);
    await until('phone', 2);
    expect(got('phone')).toEqual(['firing mute', 'resolved']);
  });

  test('what ended meanwhile is not sent, nor is its end', async () => {
    const { publish, got, idle } = daemon(ROUTES, { hourUtc: 23 });
    const firing = notificationOf();
    await publish([firing, endOf(firing)]);
    const later = notificationOf();
    await publish([later], [stateOf(later)]);
    await publish([endOf(later)]);
    expect(await held()).toEqual([{ sink: 'phone', origin: 'mute', step: 0 }]);
    await due();
    await idle();
    expect(got('phone')).toEqual([]);
    expect(await outcomes('phone')).toEqual(
      Array(2).fill({ event: 'firing', origin: 'mute', outcome: 'cancelled' }),
    );
  });

  test.each([
    ['acknowledged', { ack: { atMs: 1, by: 'ann' } }],
    ['silenced', { deferred: 'silence' }],
  ])('what is %s by then is not sent', async (_, detail) => {
    const { publish, got, idle } = daemon(ROUTES, { hourUtc: 23 });
    const firing = notificationOf();
    await publish([firing], [stateOf(firing, detail)]);
    await due();
    await idle();
    expect(got('phone')).toEqual([]);
    expect(await held()).toEqual([]);
  });

  test('of a firing and a rise in one night the last is sent', async () => {
    const { publish, got, until } = daemon(ROUTES, { hourUtc: 23 });
    const firing = notificationOf();
    const rise = notificationOf({
      alertId: firing.alertId,
      seq: 2,
      event: 'escalated',
      severity: 'critical',
    });
    await publish([firing, rise], [stateOf(firing)]);
    // Each is due by when it was queued.
    await db.rows(`UPDATE alert_deliveries SET due_at = now() + (seq - 1) * interval '500 ms' WHERE held`);
    await until('phone', 1);
    expect(got('phone')).toEqual(['escalated mute']);
    expect(await held()).toEqual([]);
  });

  test('an alert that was sent before the night ends in it', async () => {
    const sinks = newSinks();
    const day = daemon(ROUTES, { sinks });
    const firing = notificationOf();
    await day.publish([firing], [stateOf(firing)]);
    await day.until('phone', 1);
    await day.dispatcher.stop();
    const night = daemon(ROUTES, { hourUtc: 23, sinks });
    await night.publish([
      notificationOf({ alertId: firing.alertId, seq: 2, event: 'escalated' }),
      endOf(firing, 3),
    ]);
    await night.until('phone', 2);
    expect(night.got('phone')).toEqual(['firing', 'resolved']);
  });
});

describe('an escalation', () => {
  const ROUTES = '    - { to: phone, escalate: [{ after: 15m, to: boss }, { after: 1h, to: [boss, mail] }] }';

  test('each step once while it fires; the sinks that were notified get the end, the others do not', async () => {
    const { publish, got, until, idle } = daemon(ROUTES);
    const firing = notificationOf();
    await publish([firing], [stateOf(firing)]);
    await until('phone', 1);
    expect(await held()).toEqual([
      { sink: 'boss', origin: 'escalation', step: 900 },
      { sink: 'boss', origin: 'escalation', step: 3600 },
      { sink: 'mail', origin: 'escalation', step: 3600 },
    ]);
    await db.rows('UPDATE alert_deliveries SET due_at = now() WHERE step = 900');
    await until('boss', 1);
    await publish([endOf(firing)]);
    await until('boss', 2);
    await until('phone', 2);
    await idle();
    expect([got('phone'), got('boss'), got('mail')]).toEqual([
      ['firing', 'resolved'],
      ['firing escalation', 'resolved'],
      [],
    ]);
    expect(await held()).toEqual([]);
  });

  test.each([
    ['acknowledged', stateOf(notificationOf(), { ack: { atMs: 1, by: 'ann' } })],
    ['suppressed', stateOf(notificationOf(), { deferred: 'inhibition' })],
    ['latched', stateOf(notificationOf(), {}, { state: 'latched' })],
    ['over', undefined],
  ])('stops at what is %s', async (_, state) => {
    const { publish, got, idle } = daemon(ROUTES);
    const firing = notificationOf();
    await publish([firing], state === undefined ? [] : [{ ...state, alertId: firing.alertId }]);
    await due();
    await idle();
    expect([got('boss'), got('mail')]).toEqual([[], []]);
    expect(await held()).toEqual([]);
  });

  test('an acknowledgement with an end postpones it to that end', async () => {
    const { publish, got, until, idle } = daemon(ROUTES);
    const firing = notificationOf();
    const untilMs = Date.now() + 3_600_000;
    await publish([firing], [stateOf(firing, { ack: { atMs: 1, by: 'ann', untilMs } })]);
    await due();
    await idle();
    expect(got('boss')).toEqual([]);
    const [row] = await db.rows<{ ms: number }>('SELECT (extract(epoch FROM min(due_at)) * 1000)::float8 AS ms FROM alert_deliveries WHERE held');
    expect(Math.round(row?.ms ?? 0)).toBe(untilMs);
    await store1(stateOf(firing, { ack: { atMs: 1, by: 'ann', untilMs: Date.now() - 1000 } }));
    await due();
    await until('boss', 1);
    expect(got('boss')).toEqual(['firing escalation']);
  }); // prettier-ignore

  test('survives a restart, and two daemons make each step once', async () => {
    const sinks = newSinks();
    const first = daemon(ROUTES, { sinks });
    const firing = notificationOf();
    await first.publish([firing], [stateOf(firing)]);
    await first.until('phone', 1);
    await first.dispatcher.stop();
    const second = daemon(ROUTES, { sinks });
    const third = daemon(ROUTES, { sinks, owner: 'other' });
    await due();
    await Promise.all([second.until('mail', 1), third.until('mail', 1)]);
    await second.idle();
    await third.idle();
    expect([second.got('boss'), second.got('mail')]).toEqual([['firing escalation'], ['firing escalation']]);
  });

  test('begins again after a suppression, but not at a rise of the severity', async () => {
    const { publish, got, until, idle } = daemon(ROUTES);
    const firing = notificationOf();
    await publish([firing], [stateOf(firing, { deferred: 'silence' })]);
    await due();
    await idle();
    await publish(
      [notificationOf({ alertId: firing.alertId, seq: 2, event: 'escalated' })],
      [stateOf(firing)],
    );
    expect(await held()).toEqual([]);
    await publish([notificationOf({ alertId: firing.alertId, seq: 3 })], [stateOf(firing)]);
    expect(await held()).toHaveLength(3);
    await due();
    await until('mail', 1);
    await publish([notificationOf({ alertId: firing.alertId, seq: 4 })], [stateOf(firing)]);
    expect(await held()).toEqual([]);
    expect(got('mail')).toEqual(['firing escalation']);
  });

  test('says the newest that is known of the alert, under the event that it is for', async () => {
    const sinks = newSinks();
    const { publish, until } = daemon(ROUTES, { sinks });
    const firing = notificationOf();
    await publish([firing], [stateOf(firing)]);
    await until('phone', 1);
    await publish([notificationOf({ alertId: firing.alertId, seq: 2, event: 'escalated', severity: 'critical', value: 41 })]);
    await until('phone', 2);
    await due();
    await until('mail', 1);
    expect(sinks.get('mail')?.got[0]?.notifications[0]).toMatchObject({ event: 'firing', severity: 'critical', value: 41, escalatedAfterS: 3600 });
    expect(sinks.get('mail')?.got[0]?.notifications[0]?.notified).toContain('phone');
  }); // prettier-ignore
});

describe('reminders of a route', () => {
  const ROUTES = '    - { to: phone, repeat_interval: 1h }\n';

  test('follow each other until the end', async () => {
    const { publish, got, until, idle } = daemon(ROUTES);
    const firing = notificationOf();
    await publish([firing], [stateOf(firing)]);
    for (let count = 1; count < 4; count++) {
      await until('phone', count);
      await idle();
      expect(await held()).toEqual([{ sink: 'phone', origin: 'reminder', step: -count }]);
      await due();
    }
    await publish([endOf(firing)]);
    await idle();
    expect(got('phone').slice(0, 3)).toEqual(['firing', 'reminder reminder', 'reminder reminder']);
    expect(got('phone').at(-1)).toBe('resolved');
    expect(await held()).toEqual([]);
  });

  test('of a rise there is one chain, counted from the last notification', async () => {
    const { publish, until, idle } = daemon(ROUTES);
    const firing = notificationOf();
    await publish([firing], [stateOf(firing)]);
    await until('phone', 1);
    await publish([notificationOf({ alertId: firing.alertId, seq: 2, event: 'escalated' })]);
    await until('phone', 2);
    await idle();
    expect(await held()).toEqual([{ sink: 'phone', origin: 'reminder', step: -1 }]);
  });

  test('of a sensor that is silent only the silence is repeated', async () => {
    const { publish, got, until, idle } = daemon(ROUTES);
    const hot = notificationOf();
    const silent = notificationOf({ alertType: 'temperature_no_data', kind: 'no_data' });
    await publish(
      [hot, silent],
      [stateOf(hot), stateOf(silent, {}, { kind: 'no_data', alertType: 'temperature_no_data' })],
    );
    await until('phone', 2);
    await idle();
    await due();
    await until('phone', 3);
    await idle();
    expect(got('phone')).toEqual(['firing', 'firing', 'reminder reminder']);
    expect(await held()).toHaveLength(2);
  });
});

describe('groups', () => {
  const name = { event: 'firing', groupKey: '{}' } as const;
  const queue = async (dueInMs: number, groupIntervalMs: number) => {
    const { alertId, seq, event, alertType } = notificationOf();
    const notification = notificationOf({ alertId });
    await db.store.commit(batchOf([], { alerts: { notifications: [notification] } }));
    await alerts.markSent(
      [notification],
      [
        {
          alertId,
          seq,
          event,
          alertType,
          sink: 'phone',
          ifNotified: false,
          groupKey: '{}',
          dueInMs,
          groupIntervalMs,
        },
      ],
    );
  };

  test('wait for their first, and for the interval since they were sent, also under another daemon', async () => {
    const phone = store.queueOf('phone');
    const dueInMs = async () =>
      Math.round(((await store.queueOf('phone').groups(10))[0]?.dueInMs ?? NaN) / 60_000) + 0;
    await queue(600_000, 1_200_000);
    await queue(0, 1_200_000);
    expect(await dueInMs()).toBe(0);
    await phone.confirmGroup(name, await phone.group(name, 10), 'sent');
    await queue(0, 1_200_000);
    expect(await dueInMs()).toBe(20);
    await db.rows(`UPDATE notify_groups SET flushed_at = now() - interval '19 min'`);
    expect(await dueInMs()).toBe(1);
  });

  test.each([
    ['inhibited', 'inhibition'],
    ['silenced', 'silence'],
  ])(
    'what is %s while it waits for others is not sent, nor its end; what is open after that is',
    async (_, deferred) => {
      const { publish, got, until, idle } = daemon('    - { to: phone, group_wait: 30s, group_by: [] }');
      const [short, long, other] = [notificationOf(), notificationOf(), notificationOf()];
      const all = [short, long, other];
      const stored = (each: AlertNotification, detail = {}) =>
        stateOf(each, detail, { metric: `metric${all.indexOf(each)}` });
      await publish(
        all,
        all.map((each) => stored(each)),
      );
      for (const each of [short, long]) await store1(stored(each, { deferred }));
      await db.rows(`UPDATE alert_deliveries SET due_at = now() WHERE done_at IS NULL`);
      await until('phone', 1);
      await publish([endOf(short)]);
      await idle();
      expect(got('phone')).toEqual(['firing']);
      await publish([notificationOf({ alertId: long.alertId, seq: 2 })], [stored(long)]);
      await publish([endOf(other)]);
      await db.rows(`UPDATE alert_deliveries SET due_at = now() WHERE done_at IS NULL`);
      await db.rows(`UPDATE notify_groups SET flushed_at = now() - interval '1 d'`);
      await until('phone', 3);
      expect(got('phone').sort()).toEqual(['firing', 'firing', 'resolved']);
      expect(await outcomes('phone')).toHaveLength(5);
      expect((await outcomes('phone')).filter(({ outcome }) => outcome === 'cancelled')).toHaveLength(2);
    },
  );

  test('of a sink without groups, too: it may have been down until then', async () => {
    const firing = notificationOf();
    const queue = store.queueOf('phone');
    const { publish } = daemon('    - { to: mail }');
    await publish([firing], [stateOf(firing, { deferred: 'inhibition' })]);
    await db.rows(`UPDATE alert_deliveries SET sink = 'phone', done_at = NULL, outcome = NULL`);
    expect(await queue.next(10)).toEqual([]);
    expect(await outcomes('phone')).toMatchObject([{ outcome: 'cancelled' }]);
  });

  test('wait on while many are added, at most for the interval', async () => {
    const dueInS = async () =>
      Math.ceil(((await store.queueOf('phone').groups(10))[0]?.dueInMs ?? NaN) / 1000);
    for (let n = 0; n < 49; n++) await queue(0, 300_000);
    expect(await dueInS()).toBeLessThanOrEqual(0);
    await queue(0, 300_000);
    expect(await dueInS()).toBeGreaterThan(0);
    // No more come.
    await db.rows(`UPDATE alert_deliveries SET created_at = created_at - interval '10 s'`);
    expect(await dueInS()).toBeLessThanOrEqual(0);
    // They still come when the interval is over.
    await db.rows(`UPDATE alert_deliveries SET created_at = now(), due_at = now() - interval '5 min'`);
    expect(await dueInS()).toBeLessThanOrEqual(0);
  });

  test('a storm is one notification with the first names, and its end another', async () => {
    const sinks = newSinks();
    const { publish, got, idle } = daemon('    - { to: phone, group_by: [] }', { sinks });
    const storm = Array.from({ length: 3000 }, (_, i) =>
      notificationOf({ sensorKey: `s${i}`, alertType: i % 2 === 0 ? 'offline' : 'temperature_no_data' }),
    );
    const stopsGrowing = () =>
      db.rows(`UPDATE alert_deliveries SET created_at = created_at - interval '10 s' WHERE done_at IS NULL`);
    await publish(storm);
    await stopsGrowing();
    await idle();
    await publish(storm.map((each) => ({ ...each, seq: 2, event: 'resolved' as const })));
    await stopsGrowing();
    await idle();
    const totals = (sinks.get('phone')?.got ?? []).map(({ total }) => total);
    expect(totals.reduce((sum, total) => sum + total, 0)).toBe(6000);
    // Two where the machine has nothing else to do: a group is sent in between when its growing takes longer than it may wait.
    expect(got('phone').length).toBeLessThan(20);
    expect(sinks.get('phone')?.got[0]?.notifications).toHaveLength(10);
  });
});

test('a group that cannot be recorded as sent is sent again, and not counted twice', async () => {
  const sinks = newSinks();
  const phone = sinks.get('phone') as FakeSink;
  const { publish, until, idle } = daemon('    - { to: phone, repeat_interval: 1h }', { sinks });
  const firing = notificationOf();
  phone.fail = () => new Error('connection reset after the request');
  await publish([firing], [stateOf(firing)]);
  await eventually('it was tried', () => phone.attempts > 0);
  phone.fail = undefined;
  await until('phone', 1);
  await idle();
  expect(await held()).toEqual([{ sink: 'phone', origin: 'reminder', step: -1 }]);
});
