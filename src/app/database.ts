import type pg from 'pg';
import { TimescaleAlertStore } from '../adapters/timescale/alert-store.ts';
import { TimescaleDeliveryStore } from '../adapters/timescale/delivery-store.ts';
import { TimescaleOperatorStore } from '../adapters/timescale/operator-store.ts';
import { migrateDatabase } from '../adapters/timescale/migrate.ts';
import { schemaIsCurrent } from '../adapters/timescale/migration-status.ts';
import { createPool, endPool } from '../adapters/timescale/pool.ts';
import { TimescaleSensorDirectory } from '../adapters/timescale/sensor-directory.ts';
import { createReadingStore } from '../adapters/timescale/store.ts';
import type { Config } from '../config/index.ts';
import type { Clock, Logger, Metrics, ReadingStore } from '../ports.ts';
import type { Releasers } from '../releasers.ts';
import { databaseOptions, declaredSensors } from './options.ts';
import { makeStateFolder } from './state-folder.ts';

/** The database's side of the house, open and migrated. */
export interface Database {
  readonly pool: pg.Pool;
  readonly directory: TimescaleSensorDirectory;
  readonly store: ReadingStore;
  readonly alertStore: TimescaleAlertStore;
  readonly operatorStore: TimescaleOperatorStore;
  readonly deliveryStore: TimescaleDeliveryStore;
}

export interface DatabaseDeps {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly releasers: Releasers;
}

export async function openDatabase(config: Config, url: string, deps: DatabaseDeps): Promise<Database> {
  const { logger, releasers } = deps;
  await makeStateFolder(config.state_dir);
  const options = databaseOptions(config, url);
  if (config.database.migrate_at_start) await migrateDatabase(options, { log: logger });
  const pool = await createPool({ ...options, max: config.database.pool }, logger);
  releasers.add('database pool', () => endPool(pool, deps.clock));
  if (!config.database.migrate_at_start) await schemaIsCurrent(pool);
  const directory = new TimescaleSensorDirectory(pool);
  await directory.declare(declaredSensors(config));
  const store = createReadingStore(databaseOptions(config, url, 'store'), deps);
  releasers.add('reading store', () => store.close());
  const [alertStore, deliveryStore] = [new TimescaleAlertStore(pool), new TimescaleDeliveryStore(pool)];
  const operatorStore = new TimescaleOperatorStore(pool);
  return { pool, directory, store, alertStore, operatorStore, deliveryStore };
}
