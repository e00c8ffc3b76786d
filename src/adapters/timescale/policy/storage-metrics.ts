import { statfs } from 'node:fs/promises';
import type pg from 'pg';
import type { Metrics } from '../../../ports/metrics.ts';
import { databaseError } from '../errors.ts';

export interface StorageFiguresDeps {
  readonly db: Pick<pg.Pool, 'query'>;
  readonly metrics: Metrics;
  /** Where the database keeps its files, if that is on this machine. */
  readonly dataDir: string | undefined;
  /** Names of the gauges. */
  readonly names: { readonly size: string; readonly free: string };
}

/**
 * Measures the size of the database and the free space of its disk. The gauges do not exist before the first measurement: a
 * gauge starts with 0, and that would pass for a measurement.
 */
export async function measureStorage({ db, metrics, dataDir, names }: StorageFiguresDeps): Promise<void> {
  try {
    const { rows } = await db.query<{ bytes: number }>(
      'SELECT pg_database_size(current_database())::float8 AS bytes',
    );
    if (rows[0] !== undefined) {
      metrics.gauge(names.size, 'Size of the database, with all that is in it').set(rows[0].bytes);
    }
  } catch (error) {
    throw databaseError(error, 'measuring the size of the database');
  }
  if (dataDir === undefined) return;
  const { bavail, bsize } = await statfs(dataDir);
  metrics.gauge(names.free, 'Room on the disk of the embedded database').set(bavail * bsize);
}
