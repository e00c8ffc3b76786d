import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type pg from 'pg';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import { TimescaleAlertStore } from '../../../src/adapters/timescale/alert/alert-store.ts';
import { TimescaleNotificationStore } from '../../../src/adapters/timescale/notify/notification-store.ts';
import { groupFirstSql, groupSql } from '../../../src/adapters/timescale/notify/notification-queue.ts';
import { createPool } from '../../../src/adapters/timescale/connection/pool.ts';
import { AlertPublisher } from '../../../src/services/alert/publisher.ts';
import { NotificationDispatcher } from '../../../src/services/notify/dispatcher.ts';
import { NotificationMetrics } from '../../../src/services/notify/metrics.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeSink } from '../../support/fake-deliveries.ts';
import { notificationOf } from '../../support/notifications.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { rounds } from '../../support/rounds.ts';
import { type StoreFixture, batchOf, openStore } from '../../support/store-fixtures.ts';

const SENSORS = rounds(1000, 5000);

let db: StoreFixture;
let pool: pg.Pool;
beforeAll(async () => {
  db = await openStore();
  pool = await createPool({ url: db.url, max: 2 }, new QuietLogger());
});
afterAll(async () => {
  await pool.end();
  await db.close();
});

test('thousands of sensors that fall silent are a notification or two, and so is their return', async () => {
  const sink = new FakeSink();
  const clock = createSystemClock();
  const logger = new QuietLogger();
  const dispatcher = new NotificationDispatcher(
    {
      routes: undefined,
      times: {},
      sinks: [
        {
          fingerprint: '1',
          make: () => sink,
          settings: {
            name: 'ops',
            filter: { minSeverity: 'info', alertTypes: [], locations: [], sendResolved: true },
            queueMax: SENSORS,
            maxAgeMs: 86_400_000,
            maxPerMinute: 600,
            timeoutMs: 10_000,
            retry: { baseMs: 1000, capMs: 60_000 },
            grouping: { groupWaitMs: 0, groupIntervalMs: 1000 },
          },
        },
      ],
    },
    {
      store: new TimescaleNotificationStore(pool),
      owner: 'me',
      factsOf: () => ({ name: null, location: null }),
      clock,
      logger,
      metrics: new NotificationMetrics(db.metrics),
      random: Math.random,
    },
  );
  const store = new TimescaleAlertStore(pool);
  const publisher = new AlertPublisher({ store, logger, clock, router: dispatcher });
  dispatcher.start();
  const silent = Array.from({ length: SENSORS }, (_, i) =>
    notificationOf({ sensorId: i, sensorKey: `s${i}`, alertType: 'temperature_no_data' }),
  );
  for (const all of [silent, silent.map((each) => ({ ...each, seq: 2, event: 'resolved' as const }))]) {
    await db.store.commit(batchOf([], { alerts: { notifications: all } }));
    publisher.publish(all);
    const { event } = all[0] ?? {};
    const notified = () => sink.got.filter(({ notifications: [first] }) => first?.event === event);
    await eventually(
      `all are sent: ${event}`,
      () => notified().reduce((sum, { total }) => sum + total, 0) === SENSORS,
    );
    // A look at the queue while it is being filled may find a part; the rest is one then.
    expect(notified().length).toBeLessThanOrEqual(2);
    expect(notified()[0]?.notifications).toHaveLength(10);
  }
  await dispatcher.stop();
  // The lookups of each row go by its episode, whatever the planner knows of the tables: by the queue, or through the whole outbox,
  // they took minutes for 100,000.
  for (const statistics of ['none', 'fresh']) {
    if (statistics === 'fresh') await db.rows('ANALYZE alert_deliveries, alert_outbox');
    const of = ['ops', 'firing', '{}'];
    for (const [sql, values] of [
      [groupSql, of],
      [groupFirstSql, [...of, 10]],
    ] as const) {
      const plan = await db.rows<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, [...values]);
      const lines = plan.map((row) => row['QUERY PLAN']).join('\n');
      expect(lines.match(/alert_deliveries_queue/g) ?? []).not.toHaveLength(2);
      expect(lines).not.toMatch(/Seq Scan on alert_outbox/);
    }
  }
  expect(await db.rows('SELECT DISTINCT outcome FROM alert_deliveries')).toEqual([{ outcome: 'sent' }]);
}, 300_000);
