import { FieldwatchError } from '../../core/errors.ts';
import type { Work } from './session.ts';

/**
 * Names of narrow metrics to the ids of `metrics`. A name is registered in a statement of its own, outside the batch's
 * transaction: two daemons that meet the same new name must not wait for each other while they hold chunks.
 */
export class MetricIds {
  readonly #ids = new Map<string, number>();
  readonly #max: number;

  /** `max` bounds how many names the payloads of the world may create. */
  constructor(max: number) {
    this.#max = max;
  }

  get known(): ReadonlyMap<string, number> {
    return this.#ids;
  }

  /** Learns or registers these names. Those left unknown are beyond the bound. */
  async learn(work: Work, names: ReadonlySet<string>): Promise<void> {
    if (this.#ids.size === 0) await this.#read(work, 'SELECT id, name FROM metrics', []);
    const fresh = [...names].filter((name) => !this.#ids.has(name)).sort();
    const admitted = fresh.slice(0, Math.max(0, this.#max - this.#ids.size));
    if (admitted.length === 0) return;
    // NOT EXISTS first: ON CONFLICT alone would burn an id for each name that is there.
    await work.query(
      `INSERT INTO metrics (name)
       SELECT fresh.name FROM unnest($1::text[]) AS fresh (name)
        WHERE NOT EXISTS (SELECT FROM metrics m WHERE m.name = fresh.name) ORDER BY 1
       ON CONFLICT (name) DO NOTHING`,
      [admitted],
    );
    await this.#read(work, 'SELECT id, name FROM metrics WHERE name = ANY ($1::text[])', [admitted]);
    const lost = admitted.find((name) => !this.#ids.has(name));
    if (lost === undefined) return;
    throw new FieldwatchError(
      `database: the metric ${JSON.stringify(lost)} vanished while it was registered`,
      {
        code: 'DB_METRIC_VANISHED',
        kind: 'transient',
      },
    );
  }

  /** After a restore or a reset of the database the ids may be others. */
  forget(): void {
    this.#ids.clear();
  }

  async #read(work: Work, text: string, values: unknown[]): Promise<void> {
    const result = await work.query<{ id: number; name: string }>(text, values);
    for (const { id, name } of result.rows) this.#ids.set(name, id);
  }
}
