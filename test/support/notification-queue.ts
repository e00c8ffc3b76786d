import { TimescaleAlertStore } from '../../src/adapters/timescale/alert/alert-store.ts';
import { createPool } from '../../src/adapters/timescale/connection/pool.ts';
import { TimescaleNotificationStore } from '../../src/adapters/timescale/notify/notification-store.ts';
import { QuietLogger } from './quiet-logger.ts';
import { type StoreFixture, openStore } from './store-fixtures.ts';

/** A store with the outbox of its alerts and the queues of the sinks. */
export interface NotificationQueue {
  readonly db: StoreFixture;
  readonly alerts: TimescaleAlertStore;
  readonly store: TimescaleNotificationStore;
  close(): Promise<void>;
}

export async function openNotificationQueue(max: number): Promise<NotificationQueue> {
  const db = await openStore();
  const pool = await createPool({ url: db.url, max }, new QuietLogger());
  return {
    db,
    alerts: new TimescaleAlertStore(pool),
    store: new TimescaleNotificationStore(pool),
    async close() {
      await pool.end();
      await db.close();
    },
  };
}
