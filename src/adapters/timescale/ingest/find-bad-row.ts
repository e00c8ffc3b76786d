import { CORE_METRICS, isCoreMetric } from '../../../core/reading.ts';
import type { RowRefused, StorableReading } from '../../../ports/store.ts';
import { isRaised } from '../errors.ts';
import { rowsBlocked } from './relied-on.ts';
import type { DatabaseSession, Work } from '../connection/session.ts';
import { isoMicros } from '../values.ts';

export type Refusal = Omit<RowRefused, 'kind' | 'others'>;

/** Rows of one statement: bounds its text, and how long this process is busy with it before it yields. */
const STATEMENT_ROWS = 1000;
/** Rows that the server tries together before it tries them one by one: cheap where few are refused. */
const BLOCK_ROWS = 50;
const ROW_FAULTS = 'data_exception OR integrity_constraint_violation OR raise_exception OR assert_failure';

/**
 * Rows of one table on trial: its columns with their types, what the merge would fill in where a key is taken, and a row of no
 * sensor that makes the chunk.
 */
interface BadRowTrial {
  readonly table: 'sensor_readings' | 'sensor_metrics';
  readonly columns: readonly (readonly [name: string, type: string])[];
  readonly fill: string;
  readonly blank: string;
}

const KEY = [['time', 'timestamptz'], ['sensor_id', 'int']] as const; // prettier-ignore
const core = (text: (column: string) => string) => CORE_METRICS.map(text).join(', ');

const READINGS: BadRowTrial = {
  table: 'sensor_readings',
  columns: [...KEY, ...CORE_METRICS.map((name) => [name, name === 'rssi' ? 'int' : 'float8'] as const)],
  // Only where something changes: inserting rows need not include the right to UPDATE.
  fill: `
        IF NOT FOUND AND EXISTS (
          SELECT FROM sensor_readings r WHERE r.sensor_id = one.sensor_id AND r.time = one.time
             AND (${core((c) => `r.${c}`)}) IS DISTINCT FROM (${core((c) => `coalesce(r.${c}, one.${c})`)})
        ) THEN
          UPDATE sensor_readings r SET ${core((c) => `${c} = coalesce(r.${c}, one.${c})`)}
           WHERE r.sensor_id = one.sensor_id AND r.time = one.time;
        END IF;`,
  blank: 'INSERT INTO sensor_readings (time, sensor_id) VALUES (one.time, -1)',
};
const METRICS: BadRowTrial = {
  table: 'sensor_metrics',
  columns: [...KEY, ['metric_id', 'int'], ['value', 'float8']],
  fill: '',
  blank:
    'INSERT INTO sensor_metrics (time, sensor_id, metric_id, value) VALUES (one.time, -1, one.metric_id, 0)',
};

/**
 * Tries the rows that the setting holds as JSON, each with a savepoint of its own, and leaves there which were refused, and
 * why. An anonymous block and a setting, so that it takes no right to create anything, temporary tables included. Classes 22
 * and 23, and what a trigger raises, are faults of a row; any other error concerns the server and ends the pass. The row of
 * no sensor, which has the index -1, shows whether a trigger refuses that, too.
 */
function trialOf({ table, columns, fill, blank }: BadRowTrial): string {
  const names = columns.map(([name]) => name);
  const insert = `INSERT INTO ${table} (${names.join(', ')})`;
  const rows = `jsonb_to_recordset(part) AS r (ord int, ${columns.map((column) => column.join(' ')).join(', ')})`;
  return `
DO $trial$
DECLARE
  refused text[] := '{}';
  part jsonb;
  one record;
  inserted int;
BEGIN
  FOR part IN
    SELECT jsonb_agg(row ORDER BY at)
      FROM jsonb_array_elements(current_setting('fieldwatch.trial')::jsonb) WITH ORDINALITY AS sent (row, at)
     GROUP BY (at - 1) / ${BLOCK_ROWS} ORDER BY min(at)
  LOOP
    inserted := 0;
    BEGIN
      ${insert} SELECT ${names.join(', ')} FROM ${rows} ON CONFLICT DO NOTHING;
      GET DIAGNOSTICS inserted = ROW_COUNT;
    EXCEPTION WHEN ${ROW_FAULTS} THEN
      NULL;
    END;
    CONTINUE WHEN inserted = jsonb_array_length(part);
    -- A refused row takes the chunk that was made for it along: 10 ms for each, unless another row has made it before.
    FOR one IN SELECT DISTINCT ON (date_trunc('hour', time)) * FROM ${rows} LOOP
      BEGIN
        ${blank} ON CONFLICT DO NOTHING;
      EXCEPTION WHEN ${ROW_FAULTS} THEN
        refused := refused || jsonb_build_object('index', -1, 'sqlstate', SQLSTATE, 'message', left(SQLERRM, 500))::text;
      END;
    END LOOP;
    FOR one IN SELECT * FROM ${rows} LOOP
      BEGIN
        ${insert} VALUES (${names.map((name) => `one.${name}`).join(', ')}) ON CONFLICT DO NOTHING;${fill}
      EXCEPTION WHEN ${ROW_FAULTS} THEN
        refused := refused || jsonb_build_object('index', one.ord, 'sqlstate', SQLSTATE, 'message', left(SQLERRM, 500))::text;
      END;
    END LOOP;
  END LOOP;
  PERFORM set_config('fieldwatch.trial', '[' || array_to_string(refused, ',') || ']', true);
END $trial$`;
}

/**
 * All readings that the server refuses, found in one pass by the server itself and rolled back: so many refusals cost their
 * batch one more transaction, and not one each. In the order of the readings; empty where none is refused on its own.
 */
export async function findBadRows(
  session: Pick<DatabaseSession, 'run'>,
  readings: readonly StorableReading[],
  ids: ReadonlyMap<string, number>,
): Promise<readonly Refusal[]> {
  return session.run(async (work) => {
    // What would be checked at COMMIT is checked row by row.
    await work.script('BEGIN; SET LOCAL jit = off; SET CONSTRAINTS ALL IMMEDIATE');
    const found = new Map<number, Refusal>();
    // Readings before narrow metrics: the lock order of the store.
    for (const [trial, rows] of [
      [READINGS, coreRows(readings)],
      [METRICS, narrowRows(readings, ids)],
    ] as const)
      for (const refusal of await refusalsOf(work, trial, rows))
        if (!found.has(refusal.index)) found.set(refusal.index, refusal);
    await work.script('ROLLBACK');
    return [...found.values()].sort((a, b) => a.index - b.index);
  });
}

/** A trigger that refuses each row, and the one of no sensor, has nothing against the rows: the database counts as away. */
async function refusalsOf(
  work: Work,
  trial: BadRowTrial,
  rows: Iterable<object>,
): Promise<readonly Refusal[]> {
  let sent = 0;
  const all: Refusal[] = [];
  for (const part of parts(rows)) {
    sent += part.length;
    all.push(...(await tried(work, trialOf(trial), part)));
  }
  const refused = all.filter(({ index }) => index >= 0);
  const raised = all.filter(({ sqlstate }) => isRaised({ code: sqlstate }));
  const [first] = raised;
  if (first !== undefined && refused.length === sent && raised.length > refused.length)
    throw rowsBlocked(trial.table, first.message);
  return refused;
}

async function tried(work: Work, trial: string, rows: readonly object[]): Promise<readonly Refusal[]> {
  await work.query("SELECT set_config('fieldwatch.trial', $1, true)", [JSON.stringify(rows)]);
  await work.script(trial);
  const { rows: answer } = await work.query<{ refused: Refusal[] }>(
    "SELECT current_setting('fieldwatch.trial')::json AS refused",
  );
  return answer[0]?.refused ?? [];
}

function* coreRows(readings: readonly StorableReading[]): Iterable<object> {
  for (const [ord, { sensorId, timeUs, metrics }] of readings.entries()) {
    const values = CORE_METRICS.flatMap((name) => {
      const value = metrics.get(name);
      return value === undefined ? [] : [[name, name === 'rssi' ? Math.round(value) : value] as const];
    });
    if (values.length > 0)
      yield { ord, time: isoMicros(timeUs), sensor_id: sensorId, ...Object.fromEntries(values) };
  }
}

function* narrowRows(
  readings: readonly StorableReading[],
  ids: ReadonlyMap<string, number>,
): Iterable<object> {
  for (const [ord, { sensorId, timeUs, metrics }] of readings.entries())
    for (const [name, value] of metrics) {
      const id = isCoreMetric(name) ? undefined : ids.get(name);
      if (id !== undefined) yield { ord, time: isoMicros(timeUs), sensor_id: sensorId, metric_id: id, value };
    }
}

function* parts<T>(rows: Iterable<T>): Iterable<readonly T[]> {
  let part: T[] = [];
  for (const row of rows) {
    part.push(row);
    if (part.length < STATEMENT_ROWS) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}
