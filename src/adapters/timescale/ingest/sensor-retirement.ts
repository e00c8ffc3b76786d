import type pg from 'pg';
import { inTransaction } from '../connection/transaction.ts';
import { type Query, endRows, endStates, queryOf } from './sensor-moves.ts';

/** Sensors that are to be retired, or to be so no longer. */
export interface Retirement {
  readonly keys: readonly string[];
  readonly by: string;
  /** Their next reading ends it. */
  readonly untilSeen: boolean;
  /** Ends it. */
  readonly undo: boolean;
}

/** Outcome for one sensor. */
export interface RetiredSensor {
  readonly key: string;
  readonly retired: boolean;
  readonly untilSeen: boolean;
  /** Alerts that were open, or are where nothing was changed. */
  readonly closedAlerts: number;
  /** False: it was so before. */
  readonly changed: boolean;
}

interface Row {
  readonly id: number;
  readonly key: string;
  readonly retired: boolean;
  readonly untilSeen: boolean;
}

/**
 * Implements `sensors retire`, while daemons write: one transaction, for which every writing transaction waits, and after which
 * none writes what was evaluated under the rules of the sensor. Unknown keys are not in the result.
 */
export async function retireSensors(
  client: pg.ClientBase,
  request: Retirement,
): Promise<readonly RetiredSensor[]> {
  const ask = queryOf(client);
  return inTransaction(client, async () => {
    await ask('LOCK TABLE sensor_changes IN ACCESS EXCLUSIVE MODE');
    const done: RetiredSensor[] = [];
    for (const row of await sensorsOf(ask, request.keys, 'FOR UPDATE'))
      done.push(await retire(ask, row, request));
    return done;
  });
}

/** The effect of the retirement, without executing it. */
export async function previewRetirement(
  client: pg.ClientBase,
  { keys, untilSeen, undo }: Retirement,
): Promise<readonly RetiredSensor[]> {
  const ask = queryOf(client);
  const found: RetiredSensor[] = [];
  for (const row of await sensorsOf(ask, keys)) {
    const [open] = await ask<{ n: number }>(
      'SELECT count(*)::int AS n FROM sensor_alerts WHERE sensor_id = $1 AND resolved_at IS NULL',
      [row.id],
    );
    const changed = isChanged(row, { untilSeen, undo });
    found.push({
      key: row.key,
      retired: !undo,
      untilSeen: !undo && untilSeen,
      closedAlerts: open?.n ?? 0,
      changed,
    });
  }
  return found;
}

const sensorsOf = (ask: Query, keys: readonly string[], lock = ''): Promise<Row[]> =>
  ask<Row>(
    `SELECT id, key, retired_at IS NOT NULL AS retired, retired_until_seen AS "untilSeen" FROM sensors
      WHERE key = ANY ($1::text[]) ORDER BY id ${lock}`,
    [keys],
  );

const isChanged = (row: Row, { untilSeen, undo }: Pick<Retirement, 'untilSeen' | 'undo'>): boolean =>
  undo ? row.retired : !row.retired || row.untilSeen !== untilSeen;

async function retire(ask: Query, row: Row, { by, untilSeen, undo }: Retirement): Promise<RetiredSensor> {
  const { id, key } = row;
  const result = { key, retired: !undo, untilSeen: !undo && untilSeen };
  if (!isChanged(row, { untilSeen, undo })) return { ...result, closedAlerts: 0, changed: false };
  await ask(
    `UPDATE sensors SET retired_at = CASE WHEN $2::boolean THEN now() END, retired_by = CASE WHEN $2::boolean THEN $3 END,
       retired_until_seen = $4, updated_at = now() WHERE id = $1`,
    [id, !undo, by, result.untilSeen],
  );
  // The kind says that its id stays: see migration 24.
  await ask(
    `INSERT INTO sensor_changes (kind, key, sensor_id, target_id, changed_by, moved_at, fact)
     VALUES ('rename', $2, $1, $1, $3, now(), $4)`,
    [id, key, by, undo ? 'returned' : 'retired'],
  );
  if (undo) return { ...result, closedAlerts: 0, changed: true };
  await endStates(ask, id, { reason: 'retired', text: `closed: sensor ${key} was retired` });
  return { ...result, closedAlerts: await endRows(ask, id, 'retired'), changed: true };
}
