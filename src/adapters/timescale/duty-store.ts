import type pg from 'pg';
import type { DutyEpoch, HandedReading } from '../../core/alert/model.ts';
import type { DutyStore, InboxLook } from '../../ports.ts';
import type { InboxEntry } from './duty-writes.ts';
import { databaseError } from './errors.ts';
import { isoMicros, storableText } from './values.ts';

type Db = Pick<pg.Pool, 'query'>;

/** Who waits for the lock of a batch that commits looks again, afterwards: the holder may have renewed meanwhile. */
const TAKE = `
INSERT INTO alert_duty AS d (group_name, owner, epoch, leased_until) VALUES ($1, $2, 1, now() + $3 * interval '1 ms')
ON CONFLICT (group_name) DO UPDATE
   SET owner = excluded.owner, epoch = d.epoch + 1, leased_until = excluded.leased_until, taken_at = now()
 WHERE d.owner IS NULL OR d.owner = excluded.owner OR ($4 AND d.leased_until < now())
RETURNING epoch::float8 AS epoch`;

const RENEW = `
UPDATE alert_duty SET leased_until = now() + $3 * interval '1 ms' WHERE group_name = $1 AND epoch = $2 AND owner IS NOT NULL`;

const RELEASE = `UPDATE alert_duty SET owner = NULL, leased_until = NULL WHERE group_name = $1 AND epoch = $2`;

const MAX_ROWS = 200;
/** More than a batch holds: who catches up must be quicker than what arrives. */
const MAX_READINGS = 20_000;
/** Rows up to the one that makes it enough: bounded by number first, so that a backlog costs no more than a look. */
const OLDEST = `
SELECT id::text AS id, payload FROM (
  SELECT id, payload, sum(readings) OVER (ORDER BY id) - readings AS before FROM (
    SELECT id, readings, payload FROM alert_inbox WHERE group_name = $1 ORDER BY id LIMIT ${MAX_ROWS}) q) r
 WHERE before < ${MAX_READINGS} ORDER BY id`;

const EARLIEST = `
SELECT s.id, min((e.entry->>2)::float8) AS "timeUs" FROM alert_inbox i
 CROSS JOIN LATERAL json_array_elements(i.payload) AS e (entry) JOIN sensors s ON s.key = e.entry->>0
 WHERE i.group_name = $1 GROUP BY s.id`;

const WAITING = 'SELECT coalesce(sum(readings), 0)::float8 AS waiting FROM alert_inbox WHERE group_name = $1';

export class TimescaleDutyStore implements DutyStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  async take(group: string, owner: string, ttlMs: number, expired: boolean): Promise<number | undefined> {
    const { rows } = await this.#query(TAKE, [group, storableText(owner), ttlMs, expired]);
    return (rows as { epoch: number }[])[0]?.epoch;
  }

  async renew({ group, epoch }: DutyEpoch, ttlMs: number): Promise<boolean> {
    const { rowCount } = await this.#query(RENEW, [group, epoch, ttlMs]);
    return (rowCount ?? 0) > 0;
  }

  async release({ group, epoch }: DutyEpoch): Promise<void> {
    await this.#query(RELEASE, [group, epoch]);
  }

  async oldest(group: string): Promise<InboxLook> {
    const { rows } = await this.#query(OLDEST, [group]);
    const found = (rows as { id: string; payload: readonly InboxEntry[] }[]).map(({ id, payload }) => ({
      id,
      readings: payload.map(readingOf),
    }));
    const readings = found.reduce((sum, row) => sum + row.readings.length, 0);
    return { rows: found, more: found.length >= MAX_ROWS || readings >= MAX_READINGS };
  }

  async earliest(group: string): Promise<ReadonlyMap<number, number>> {
    const { rows } = await this.#query(EARLIEST, [group]);
    return new Map((rows as { id: number; timeUs: number }[]).map(({ id, timeUs }) => [id, timeUs]));
  }

  async waiting(group: string): Promise<number> {
    const { rows } = await this.#query(WAITING, [group]);
    return (rows as { waiting: number }[])[0]?.waiting ?? 0;
  }

  /** Deletes what a group left that has no daemon any more, in a bounded slice; true when there may be more. */
  async prune(olderThanMs: number, slice = 10_000): Promise<boolean> {
    const before = isoMicros(olderThanMs * 1000);
    const { rowCount } = await this.#query(
      'DELETE FROM alert_inbox WHERE id IN (SELECT id FROM alert_inbox WHERE created_at < $1::timestamptz LIMIT $2)',
      [before, slice],
    );
    return (rowCount ?? 0) >= slice;
  }

  async #query(text: string, values: unknown[]): Promise<pg.QueryResult> {
    try {
      return await this.#db.query(text, values);
    } catch (error) {
      throw databaseError(error, 'the alert duty');
    }
  }
}

/** What is no number (a NaN, written as null) stays what it is: the engine counts it as invalid. */
const readingOf = (entry: InboxEntry): HandedReading => {
  const [key, location, timeUs, receivedAtMs, metrics, retained, spooled] = entry;
  return {
    key,
    location,
    timeUs,
    receivedAtMs,
    retained,
    metrics: new Map(Object.entries(metrics)) as ReadonlyMap<string, number>,
    spooled,
  };
};
