import { hostname } from 'node:os';
import type pg from 'pg';
import type { Millis } from '../../../core/reading.ts';
import type { AppMetric, AppMetricsStore } from '../../../ports/metrics.ts';
import { databaseError } from '../errors.ts';
import { storableJson } from '../values.ts';

/** The daemon's own metrics in `app_metrics`, one row a metric and time. */
export class TimescaleAppMetricsStore implements AppMetricsStore {
  readonly #db: Pick<pg.Pool | pg.Client, 'query'>;
  readonly #host: string;

  constructor(db: Pick<pg.Pool | pg.Client, 'query'>, host = hostname()) {
    this.#db = db;
    this.#host = host;
  }

  async write(atMs: Millis, figures: readonly AppMetric[], host = this.#host): Promise<void> {
    try {
      await this.#db.query(
        `INSERT INTO app_metrics (time, host, metric_name, value, tags)
         SELECT $1::timestamptz, $2, f.name, f.value, f.tags
           FROM unnest($3::text[], $4::float8[], $5::jsonb[]) AS f (name, value, tags)`,
        [
          new Date(atMs),
          host,
          figures.map(({ name }) => name),
          figures.map(({ value }) => value),
          figures.map(({ labels }) => storableJson(labels)),
        ],
      );
    } catch (error) {
      throw databaseError(error, 'writing app_metrics');
    }
  }
}
