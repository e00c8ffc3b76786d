import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type pg from 'pg';
import { createSystemClock } from '../../src/adapters/clock.ts';
import { TimescaleAlertStore } from '../../src/adapters/timescale/alert-store.ts';
import { createPool } from '../../src/adapters/timescale/pool.ts';
import { TimescaleDeliveryStore } from '../../src/adapters/timescale/delivery-store.ts';
import { AlertAnnouncer } from '../../src/services/alert-announcer.ts';
import { NotifyMeters } from '../../src/services/notify-meters.ts';
import { Notifying } from '../../src/services/notifying.ts';
import { eventually } from '../support/eventually.ts';
import { FakeSink } from '../support/fake-deliveries.ts';
import { notificationOf } from '../support/notifications.ts';
import { QuietLogger } from '../support/quiet-logger.ts';
import { batchOf, openStore, type StoreFixture } from '../support/store-fixtures.ts';

const SENSORS = 5000;

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

test('5,000 sensors that fall silent are a notification or two, and so is their return', async () => {
  const sink = new FakeSink();
  const clock = createSystemClock();
  const logger = new QuietLogger();
  const notifying = new Notifying(
    [
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
          grouping: { over: 10, windowMs: 1000 },
        },
      },
    ],
    {
      store: new TimescaleDeliveryStore(pool),
      owner: 'me',
      factsOf: () => ({ name: null, location: null }),
      clock,
      logger,
      meters: new NotifyMeters(db.metrics),
      random: Math.random,
    },
  );
  const store = new TimescaleAlertStore(pool);
  const announcer = new AlertAnnouncer({ store, logger, clock, router: notifying });
  notifying.start();
  const silent = Array.from({ length: SENSORS }, (_, i) =>
    notificationOf({ sensorId: i, sensorKey: `s${i}`, alertType: 'temperature_no_data' }),
  );
  for (const all of [silent, silent.map((each) => ({ ...each, seq: 2, event: 'resolved' as const }))]) {
    await db.store.commit(batchOf([], { alerts: { notifications: all } }));
    announcer.announce(all);
    const { event } = all[0] ?? {};
    const told = () => sink.got.filter(({ notifications: [first] }) => first?.event === event);
    await eventually(
      `all are told: ${event}`,
      () => told().reduce((sum, { total }) => sum + total, 0) === SENSORS,
    );
    // A look at the queue while it is being filled may find a part; the rest is one then.
    expect(told().length).toBeLessThanOrEqual(2);
    expect(told()[0]?.notifications).toHaveLength(10);
  }
  await notifying.stop();
  expect(await db.rows('SELECT DISTINCT outcome FROM alert_deliveries')).toEqual([{ outcome: 'sent' }]);
}, 300_000);
