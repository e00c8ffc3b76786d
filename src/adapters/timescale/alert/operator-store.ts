import type pg from 'pg';
import type { AlertNotification } from '../../../core/alert/model.ts';
import type { Silence } from '../../../core/alert/suppress/silence.ts';
import type { OperatorStore, WaitingCommand } from '../../../ports/alerts.ts';
import { databaseError } from '../errors.ts';
import { columns, isoMicros, storableJson } from '../values.ts';

type Db = Pick<pg.Pool, 'query'>;

/** Commands that one look takes; the others are taken by the next. */
const MAX_COMMANDS = 1000;

const millisOf = (column: string) => `floor(extract(epoch FROM ${column}) * 1000)::float8`;

// One statement for both: the embedded engine answers one at a time, and this is asked every second.
const LOOK = `
SELECT
  (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id::text, 'matchers', matchers, 'startsMs', ${millisOf('starts_at')},
     'endsMs', ${millisOf('ends_at')}, 'by', created_by, 'comment', comment) ||
     CASE WHEN expired_by IS NULL THEN '{}'::jsonb ELSE jsonb_build_object('endedBy', expired_by) END ORDER BY id), '[]'::jsonb)
     FROM silences WHERE ends_at > $1::timestamptz) AS silences,
  (SELECT coalesce(json_agg(c ORDER BY c."order"), '[]') FROM (
     SELECT id AS "order", id::text AS id, kind, sensor_id AS "sensorId", alert_type AS "alertType",
            alert_id AS "alertId", asked_by AS by, comment, ${millisOf('now() - created_at')} AS "ageMs",
            ${millisOf('ends_at')} AS "endsMs"
       FROM alert_commands WHERE applied_at IS NULL ORDER BY id LIMIT ${MAX_COMMANDS}) c) AS commands,
  (SELECT coalesce(max(seq), 0)::float8 FROM sensor_changes) AS "sensorSeq"`;

const ANNOUNCE = `
INSERT INTO alert_outbox (alert_id, seq, event, payload)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::jsonb[]) ON CONFLICT DO NOTHING RETURNING payload`;

/** Commands of operators; each is marked as done in the transaction of the batch that executes it. */
export class TimescaleOperatorStore implements OperatorStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  async poll(sinceMs: number): Promise<{
    readonly silences: readonly Silence[];
    readonly commands: readonly WaitingCommand[];
    readonly sensorSeq?: number;
  }> {
    const { rows } = await this.#query(LOOK, [isoMicros(sinceMs * 1000)]);
    const [row] = rows as { silences: Silence[]; commands: WaitingCommand[]; sensorSeq: number }[];
    return row ?? { silences: [], commands: [] };
  }

  async announce(lines: readonly AlertNotification[]): Promise<readonly AlertNotification[]> {
    const { rows } = await this.#query(ANNOUNCE, [
      ...columns(
        lines,
        ({ alertId }) => alertId,
        ({ seq }) => seq,
        ({ event }) => event,
        (line) => storableJson(line),
      ),
    ]);
    return (rows as { payload: AlertNotification }[]).map(({ payload }) => payload);
  }

  /** Deletes what is long over, in a bounded slice; true when there may be more. Called by a maintenance task. */
  async prune(olderThanMs: number, slice = 10_000): Promise<boolean> {
    const before = isoMicros(olderThanMs * 1000);
    const silences = await this.#query(
      `DELETE FROM silences WHERE id IN (SELECT id FROM silences WHERE ends_at < $1::timestamptz LIMIT $2)`,
      [before, slice],
    );
    const commands = await this.#query(
      `DELETE FROM alert_commands WHERE id IN (
         SELECT id FROM alert_commands WHERE applied_at < $1::timestamptz LIMIT $2)`,
      [before, slice],
    );
    return Math.max(silences.rowCount ?? 0, commands.rowCount ?? 0) >= slice;
  }

  async #query(text: string, values: unknown[]): Promise<pg.QueryResult> {
    try {
      return await this.#db.query(text, values);
    } catch (error) {
      throw databaseError(error, 'reading what operators ask for');
    }
  }
}
