import { TimescaleAlertStore } from '../../adapters/timescale/alert/alert-store.ts';
import { databaseError } from '../../adapters/timescale/errors.ts';
import {
  ENCODING_REMEDY,
  ENCODING_WARNING,
  examineServer,
  refuseReadOnly,
} from '../../adapters/timescale/connection/examine.ts';
import { TimescaleHandoverStore } from '../../adapters/timescale/alert/handover-store.ts';
import { TimescaleLeaseStore } from '../../adapters/timescale/alert/lease-store.ts';
import { MetricIds } from '../../adapters/timescale/ingest/metric-ids.ts';
import { migrateDatabase } from '../../adapters/timescale/migrate/migrate.ts';
import { schemaIsCurrent } from '../../adapters/timescale/migrate/migration-status.ts';
import { TimescaleNotificationStore } from '../../adapters/timescale/notify/notification-store.ts';
import { TimescaleOperatorStore } from '../../adapters/timescale/alert/operator-store.ts';
import { createPool, endPool } from '../../adapters/timescale/connection/pool.ts';
import { createReadingStore } from '../../adapters/timescale/ingest/reading-store.ts';
import { TimescaleSensorStore } from '../../adapters/timescale/ingest/sensor-store.ts';
import { EMPTY_ALERT_BATCH } from '../../core/alert/model.ts';
import { ClockMonitor } from '../../services/ingest/clock-monitor.ts';
import { DatabaseProbe } from '../../services/ingest/database-probe.ts';
import type { Base, Context, Database } from '../context.ts';
import { databaseOptions, metricNameLimits, storeOptions } from '../options.ts';

/** No query is made yet. */
export async function openDatabase(base: Base & Pick<Context, 'servers'>): Promise<Database> {
  const { config, clock, logger, cleanup } = base;
  const { databaseUrl: url } = base.servers;
  const pool = await createPool({ ...databaseOptions(config, url), max: config.database.pool }, logger);
  cleanup.add('database pool', () => endPool(pool, clock));
  const metricIds = new MetricIds(metricNameLimits(config), () => clock.monotonicMs());
  const store = createReadingStore({ ...storeOptions(config, url, 'store'), metricIds }, base);
  cleanup.add('reading store', () => store.close());
  const [alertStore, notificationStore] = [
    new TimescaleAlertStore(pool),
    new TimescaleNotificationStore(pool),
  ];
  const operatorStore = new TimescaleOperatorStore(pool);
  const directory = new TimescaleSensorStore(pool);
  const [leaseStore, handoverStore] = [new TimescaleLeaseStore(pool), new TimescaleHandoverStore(pool)];
  return {
    ...{ url, pool, directory, metricIds, store, alertStore, operatorStore, notificationStore },
    ...{ leaseStore, handoverStore },
  };
}

/** Resolves when the database answers; rejects with its error instead. */
export async function checkConnection({ pool }: Database): Promise<void> {
  try {
    await pool.query('SELECT 1');
  } catch (error) {
    throw databaseError(error, 'connecting');
  }
}

/** Probes the database regularly, for readiness; `onBack` when it answers again. */
export function probeDatabase(
  { clock, cleanup, database: { pool } }: Pick<Context, 'clock' | 'cleanup' | 'database'>,
  onBack: () => void,
): DatabaseProbe {
  const probe = new DatabaseProbe({ clock, query: () => refuseReadOnly(pool), onBack });
  cleanup.add('database probe', () => probe.stop());
  return probe;
}

/** Compares the clock of the database server with this system's, and corrects the daemon's with it. */
export function monitorClock({
  clock,
  logger,
  metrics,
  cleanup,
  database: { pool },
  arrivalClocks,
}: Base & Pick<Context, 'database' | 'arrivalClocks'>): ClockMonitor {
  const serverMs = async () => {
    const { rows } = await pool.query<{ ms: number }>(
      'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms',
    );
    return rows[0]?.ms ?? Number.NaN;
  };
  const monitor = new ClockMonitor({ clock, serverMs, arrivalClocks, logger, metrics });
  cleanup.add('clock monitor', () => monitor.stop());
  return monitor;
}

/** A reliable server, and its schema as this program needs it. Safe to repeat. */
export async function prepareDatabase({
  config,
  logger,
  database,
}: Pick<Context, 'config' | 'logger' | 'database'>): Promise<void> {
  const { url, pool } = database;
  const { encoding } = await examineServer(databaseOptions(config, url, 'start'));
  if (encoding !== 'UTF8') logger.warn({ encoding, remedy: ENCODING_REMEDY }, ENCODING_WARNING);
  // The writer connects first: where a role may have few connections, lookups and checks share the rest.
  await database.store.commit({ readings: [], deadLetters: [], alerts: EMPTY_ALERT_BATCH, retry: false });
  if (config.database.migrate_at_start) await migrateDatabase(databaseOptions(config, url), { log: logger });
  else await schemaIsCurrent(pool);
}
