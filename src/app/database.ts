import type pg from 'pg';
import { TimescaleAlertStore } from '../adapters/timescale/alert-store.ts';
import { TimescaleDeliveryStore } from '../adapters/timescale/delivery-store.ts';
import { databaseError } from '../adapters/timescale/errors.ts';
import { TimescaleHandoverStore } from '../adapters/timescale/handover-store.ts';
import { TimescaleShardStore } from '../adapters/timescale/shard-store.ts';
import { TimescaleOperatorStore } from '../adapters/timescale/operator-store.ts';
import { MetricIds } from '../adapters/timescale/metric-ids.ts';
import { migrateDatabase } from '../adapters/timescale/migrate.ts';
import { schemaIsCurrent } from '../adapters/timescale/migration-status.ts';
import {
  ENCODING_REMEDY,
  ENCODING_WARNING,
  examineServer,
  refuseReadOnly,
} from '../adapters/timescale/examine.ts';
import { createPool, endPool } from '../adapters/timescale/pool.ts';
import { TimescaleSensorDirectory } from '../adapters/timescale/sensor-directory.ts';
import { createReadingStore } from '../adapters/timescale/store.ts';
import { EMPTY_ALERT_BATCH } from '../core/alert/model.ts';
import type { ReadingStore } from '../ports.ts';
import type { ArrivalClocks } from '../services/arrival-clocks.ts';
import { ClockMonitor } from '../services/clock-monitor.ts';
import { DatabaseProbe } from '../services/database-probe.ts';
import { databaseOptions, declaredSensors, metricNameLimits, storeOptions } from './options.ts';
import type { Parts } from './parts.ts';

/** The database's side of the house. Connections are made when they are needed. */
export interface Database {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly directory: TimescaleSensorDirectory;
  /** Of all who write readings. */
  readonly metricIds: MetricIds;
  readonly store: ReadingStore;
  readonly alertStore: TimescaleAlertStore;
  readonly operatorStore: TimescaleOperatorStore;
  readonly deliveryStore: TimescaleDeliveryStore;
  readonly shardStore: TimescaleShardStore;
  readonly handoverStore: TimescaleHandoverStore;
}

/** Nothing is asked of the database yet. */
export async function openDatabase(parts: Parts, url: string): Promise<Database> {
  const { config, clock, logger, releasers } = parts;
  const pool = await createPool({ ...databaseOptions(config, url), max: config.database.pool }, logger);
  releasers.add('database pool', () => endPool(pool, clock));
  const metricIds = new MetricIds(metricNameLimits(config), () => clock.monotonicMs());
  const store = createReadingStore({ ...storeOptions(config, url, 'store'), metricIds }, parts);
  releasers.add('reading store', () => store.close());
  const [alertStore, deliveryStore] = [new TimescaleAlertStore(pool), new TimescaleDeliveryStore(pool)];
  const operatorStore = new TimescaleOperatorStore(pool);
  const directory = new TimescaleSensorDirectory(pool);
  const [shardStore, handoverStore] = [new TimescaleShardStore(pool), new TimescaleHandoverStore(pool)];
  return {
    ...{ url, pool, directory, metricIds, store, alertStore, operatorStore, deliveryStore },
    ...{ shardStore, handoverStore },
  };
}

/** Resolves when the database answers; rejects with what it says instead. */
export async function greetDatabase({ pool }: Database): Promise<void> {
  try {
    await pool.query('SELECT 1');
  } catch (error) {
    throw databaseError(error, 'connecting');
  }
}

/** Asks the database regularly, for readiness; `onBack` when it answers again. */
export function probeDatabase(
  { clock, releasers }: Parts,
  { pool }: Database,
  onBack: () => void,
): DatabaseProbe {
  const probe = new DatabaseProbe({ clock, ask: () => refuseReadOnly(pool), onBack });
  releasers.add('database probe', () => probe.stop());
  return probe;
}

/** Compares the clock of the database server with this system's, and corrects the daemon's by it. */
export function monitorClock(
  { clock, logger, metrics, releasers }: Parts,
  { pool }: Database,
  arrivalClocks: ArrivalClocks | undefined,
): ClockMonitor {
  const serverMs = async () => {
    const { rows } = await pool.query<{ ms: number }>(
      'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms',
    );
    return rows[0]?.ms ?? Number.NaN;
  };
  const monitor = new ClockMonitor({ clock, serverMs, arrivalClocks, logger, metrics });
  releasers.add('clock monitor', () => monitor.stop());
  return monitor;
}

/** A server that can be relied on, its schema as this program needs it, and in it the sensors of the configuration. Safe to repeat. */
export async function prepareDatabase({ config, logger }: Parts, database: Database): Promise<void> {
  const { url, pool, directory } = database;
  const { encoding } = await examineServer(databaseOptions(config, url, 'start'));
  if (encoding !== 'UTF8') logger.warn({ encoding, remedy: ENCODING_REMEDY }, ENCODING_WARNING);
  // The writer connects first: where a role may have few connections, lookups and checks have to do with the rest.
  await database.store.commit({ readings: [], deadLetters: [], alerts: EMPTY_ALERT_BATCH, retry: false });
  if (config.database.migrate_at_start) await migrateDatabase(databaseOptions(config, url), { log: logger });
  else await schemaIsCurrent(pool);
  await directory.declare(declaredSensors(config));
}
