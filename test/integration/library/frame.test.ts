import { type Table, tableFromArrays, tableFromIPC, tableToIPC } from 'apache-arrow';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { frameToIpc, loadFrame, saveFrame } from '../../../src/frame.ts';
import { type Monitor, openMonitor } from '../../../src/index.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

const HOUR_MS = 3_600_000;
const START = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 24 * HOUR_MS;

let db: TestDatabase;
let client: pg.Client;
let monitor: Monitor;
beforeAll(async () => {
  db = await openTestDatabase({ migrated: true });
  client = new pg.Client({ connectionString: db.url });
  await client.connect();
  monitor = await openMonitor({ database: db.url });
});
beforeEach(async () => {
  await client.query('TRUNCATE sensor_readings, sensor_metrics, dead_letters');
});
afterAll(async () => {
  await monitor.close();
  await client.end();
  await db.close();
});

const record = (minutes: number, sensor: string, metrics: Record<string, number>) =>
  monitor.recordReading({ sensor, time: START + minutes * 60_000, metrics });
const rowsOf = (table: Table): unknown[] => table.toArray().map((row) => ({ ...(row as object) }));

describe('loadFrame', () => {
  test('wide: every metric a column, times in microseconds, nulls where nothing was measured', async () => {
    await record(0, 'a', { temperature: 20.5, co2: 400 });
    await record(1, 'b', { humidity: 60 });
    const table = await loadFrame(monitor);
    const types = table.schema.fields.map(({ name, type }) => `${name} ${String(type)}`);
    expect(types).toEqual([
      ...['time Timestamp<MICROSECOND, UTC>', 'sensor Utf8', 'location Utf8'],
      ...[
        'temperature Float64',
        'humidity Float64',
        'pressure Float64',
        'battery Float64',
        'rssi Int32',
        'co2 Float64',
      ],
    ]);
    expect(rowsOf(table)).toMatchObject([
      { time: START, sensor: 'a', temperature: 20.5, humidity: null, co2: 400 },
      { time: START + 60_000, sensor: 'b', temperature: null, humidity: 60, co2: null },
    ]);
    const [first] = table.getChild('time')!.data;
    expect(first?.values[0]).toBe(BigInt(START) * 1000n);
  });

  test('long, of one sensor by a former key, of some metrics and a part of the time', async () => {
    for (let minute = 0; minute < 4; minute++)
      await record(minute, 'a', { temperature: minute, co2: 400 + minute });
    await record(1, 'b', { co2: 1 });
    await client.query(
      `INSERT INTO sensor_aliases (key, sensor_id) SELECT 'old', id FROM sensors WHERE key = 'a'`,
    );
    const table = await loadFrame(monitor, {
      ...{ sensor: 'old', metrics: ['co2'], shape: 'long' },
      ...{ from: START + 60_000, to: START + 3 * 60_000 },
    });
    expect(rowsOf(table)).toMatchObject([
      { time: START + 60_000, sensor: 'a', metric: 'co2', value: 401 },
      { time: START + 120_000, sensor: 'a', metric: 'co2', value: 402 },
    ]);
  });

  test('nothing is a table without rows; a name that does not exist is an error', async () => {
    const table = await loadFrame(monitor, { metrics: ['temperature'] });
    expect([table.numRows, table.schema.names]).toEqual([0, ['time', 'sensor', 'location', 'temperature']]);
    expect(tableFromIPC(frameToIpc(table)).numRows).toBe(0);
    await expect(loadFrame(monitor, { metrics: ['tempereture'] })).rejects.toMatchObject({
      code: 'EXPORT_UNKNOWN_NAME',
    });
    await expect(loadFrame(monitor, { from: 'never' })).rejects.toMatchObject({ code: 'TIME_INVALID' });
  });

  test('more rows than a batch has: numbers are where the answer was decoded to, and the connection is given back', async () => {
    await client.query(`INSERT INTO sensors (key) VALUES ('many') ON CONFLICT DO NOTHING`);
    await client.query(`INSERT INTO sensor_readings (time, sensor_id, temperature)
      SELECT now() - n * INTERVAL '100 ms', (SELECT id FROM sensors WHERE key = 'many'), n FROM generate_series(1, 120000) n`);
    const table = await loadFrame(monitor, { sensor: 'many', metrics: ['temperature'] });
    expect([table.numRows, table.batches.length > 1]).toEqual([120_000, true]);
    expect(table.getChild('temperature')?.data[0]?.values).toBeInstanceOf(Float64Array);
    expect(
      table
        .getChild('temperature')
        ?.toArray()
        .reduce((sum: number, value: number) => sum + value, 0),
    ).toBe(7_200_060_000);
    const { rows } = await client.query(
      `SELECT count(*)::int AS open FROM pg_stat_activity WHERE application_name LIKE '%frame%'`,
    );
    expect(rows).toEqual([{ open: 0 }]);
  });
});

describe('saveFrame', () => {
  test('what was loaded is there already; a new column becomes a metric of the same readings', async () => {
    await record(0, 'a', { temperature: 20 });
    await record(1, 'a', { temperature: 21 });
    const table = await loadFrame(monitor, { metrics: ['temperature'] });
    const outcome = {
      rows: 2,
      stored: 0,
      duplicate: 0,
      merged: 0,
      conflict: 0,
      deadLettered: 0,
      empty: 0,
      expired: 0,
    };
    expect(await saveFrame(monitor, table)).toEqual({ ...outcome, duplicate: 2 });
    const doubled = tableFromArrays({
      time: [...table.getChild('time')!].map((ms) => new Date(Number(ms))),
      sensor: [...table.getChild('sensor')!] as string[],
      double: Float64Array.from([...table.getChild('temperature')!], (value) => Number(value) * 2),
    });
    for (const expected of [{ stored: 2 }, { duplicate: 2 }])
      expect(await saveFrame(monitor, tableToIPC(doubled, 'stream'))).toEqual({ ...outcome, ...expected });
    const latest = await monitor.latest({ sensor: 'a' });
    expect(latest.find(({ metric }) => metric === 'double')).toMatchObject({ value: 42 });
  });

  test('columns by a map, one sensor for all rows, bad rows as dead letters', async () => {
    const table = tableFromArrays({
      when: [
        '2001-01-01T00:00:00Z',
        new Date(START).toISOString(),
        new Date(START + 1).toISOString(),
        'never',
      ],
      temp: Float64Array.of(1, 2, 3, 4),
      comment: ['old', 'good', 'good', 'bad'],
    });
    const progress: number[] = [];
    const outcome = await saveFrame(monitor, table, {
      ...{ map: { time: 'when', temperature: 'temp' }, ignore: ['comment'], sensor: 'new-one' },
      onProgress: (rows) => progress.push(rows),
    });
    expect(outcome).toMatchObject({ rows: 4, stored: 2, deadLettered: 2 });
    expect(progress.at(-1)).toBe(4);
    const { rows } = await client.query('SELECT topic, reason FROM dead_letters ORDER BY reason');
    expect(rows).toEqual([
      { topic: 'program/frame', reason: 'bad_time' },
      { topic: 'program/frame', reason: 'time_out_of_range' },
    ]);
    const nothing = saveFrame(monitor, tableFromArrays({ a: ['x'] }));
    await expect(nothing).rejects.toMatchObject({ code: 'IMPORT_MAP' });
  });

  test('what is no Arrow table is an error, and stores nothing', async () => {
    const file = tableToIPC(await loadFrame(monitor), 'file');
    for (const given of [Uint8Array.of(1, 2, 3), new Uint8Array(), file.subarray(0, 300), {}, [], null])
      await expect(saveFrame(monitor, given as Uint8Array)).rejects.toMatchObject({ code: 'FRAME_INVALID' });
    await expect(loadFrame(monitor, { dataset: 'reading' as 'readings' })).rejects.toMatchObject({
      code: 'FRAME_INVALID',
      message: expect.stringContaining('did you mean "readings"'),
    });
  });

  test('of another package, a monitor is refused', async () => {
    await expect(loadFrame({} as Monitor)).rejects.toMatchObject({ code: 'MONITOR_FOREIGN' });
  });
});
