import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { formatOfName, readTable } from '../../../src/adapters/frame/table-reader.ts';
import { type TableOptions, compileTable } from '../../../src/core/ingest/table/table-mapping.ts';

const NOW_US = Date.parse('2026-02-01T00:00Z') * 1000;
const options: TableOptions = {
  ...{ map: new Map(), ignore: new Set<string>(), timeUnit: 'auto' },
  ...{ maxPastUs: 3650 * 86_400_000_000, maxFutureUs: 3_600_000_000 },
};
const JAN_1 = Date.parse('2026-01-01T00:00Z') * 1000;

describe('columns become readings', () => {
  const read = (names: readonly string[], row: readonly unknown[], more: Partial<TableOptions> = {}) => {
    const result = compileTable({ names }, { ...options, ...more }).read(row, NOW_US);
    if (result === 'empty') return result;
    return 'code' in result
      ? [result.code, result.detail]
      : { ...result, metrics: Object.fromEntries(result.metrics) };
  };

  test('the usual names, as an export has them; empty cells are no values', () => {
    expect(
      read(
        ['time', 'sensor', 'location', 'temperature', 'humidity', 'co2'],
        ['2026-01-01 00:00:00.000001+00', 'cold-1', 'coldroom', '4.5', '', '1e3'],
      ),
    ).toEqual({
      ...{ device: 'cold-1', timeUs: JAN_1 + 1, location: 'coldroom', stamped: false },
      metrics: { temperature: 4.5, co2: 1000 },
    });
  });

  test('mapped names, and a sensor for all rows', () => {
    const map = new Map([
      ['time', 'when'],
      ['temperature', 'temp_c'],
    ]);
    expect(
      read(['when', 'temp_c', 'note'], [1_767_225_600, 21, 'x'], {
        map,
        ignore: new Set(['note']),
        sensor: 's',
      }),
    ).toMatchObject({ device: 's', timeUs: JAN_1, location: undefined, metrics: { temperature: 21 } });
  });

  test('a row a value', () => {
    const names = ['time', 'sensor', 'metric', 'value'];
    expect(read(names, [{ timeUs: JAN_1 }, 7, 'co2', 412n])).toMatchObject({
      device: '7',
      metrics: { co2: 412 },
    });
    expect(read(names, ['2026-01-01T00:00Z', 'a', '', 1])).toEqual(['no_metrics', expect.any(String)]);
    expect(read(names, ['2026-01-01T00:00Z', 'a', 'co2', null])).toBe('empty');
    expect(read(['time', 'sensor', 'value'], ['2026-01-01T00:00Z', 'a', 5])).toMatchObject({
      metrics: { value: 5 },
    });
  });

  test.each([
    [['soon', 'a', 1], 'bad_time'],
    [['2026-02-01T02:00Z', 'a', 1], 'time_out_of_range'],
    [['1990-01-01T00:00Z', 'a', 1], 'time_out_of_range'],
    [['2026-01-01T00:00Z', '', 1], 'no_device'],
    [['2026-01-01T00:00Z', 'a\u0000', 1], 'bad_device'],
    [['2026-01-01T00:00Z', 'a', 'warm'], 'not_a_number'],
    [['2026-01-01T00:00Z', 'a', 'Infinity'], 'not_a_number'],
  ])('%j is %s', (row, code) => {
    expect(read(['time', 'sensor', 'temperature'], row)).toEqual([code, expect.any(String)]);
  });

  test('the index of a data frame has no name, and is no metric', () => {
    const reader = compileTable({ names: ['', 'ts', 'device', 'Temperature'] }, options);
    expect(reader.metrics).toEqual([{ column: 'Temperature', metric: 'temperature' }]);
  });

  test('tags are no metrics unless mapped; a later part of a file may lack what the first one had', () => {
    const names = ['measurement', 'room', 'temperature', 'time'];
    const columns = { names, labels: ['measurement', 'room'] };
    expect(compileTable(columns, options).roles).toEqual({ sensor: 'measurement', time: 'time' });
    const map = new Map([['sensor', 'room']]);
    expect(compileTable(columns, { ...options, map }).metrics).toEqual([
      { column: 'temperature', metric: 'temperature' },
    ]);
    const later = compileTable({ names: ['temperature', 'time'], labels: [] }, { ...options, map }, true);
    expect(later.read([1, '2026-01-01T00:00Z'], NOW_US)).toMatchObject({ code: 'no_device' });
  });

  test.each([
    [['time', 'temperature'], {}, /no column is the sensor: time, temperature/],
    [['sensor', 'temperature'], {}, /no column is the time/],
    [['time', 'sensor'], {}, /no column is a metric/],
    [
      ['time', 'sensor', 'temp'],
      { map: new Map([['temperature', 'temq']]) },
      /there is no column "temq"; did you mean "temp"\?/,
    ],
  ])('%j %j is refused', (names, more, message) => {
    expect(() => compileTable({ names }, { ...options, ...more })).toThrow(message);
  });
});

describe('files become rows', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fieldwatch-table-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const all = async (name: string, content: string | Uint8Array) => {
    const path = join(folder, name);
    await writeFile(path, content);
    const rows: Record<string, unknown>[] = [];
    const faults: string[] = [];
    for await (const chunk of readTable(path, formatOfName(path) ?? 'csv')) {
      expect(chunk.firstRow).toBe(rows.length + faults.length + 1);
      faults.push(...(chunk.faults ?? []).map(({ detail }) => detail));
      for (const row of chunk.rows)
        rows.push(
          Object.fromEntries(
            chunk.names.flatMap((key, at) => (row[at] === undefined ? [] : [[key, row[at]]])),
          ),
        );
    }
    return { rows, faults };
  };

  test('CSV: quotes, line ends inside them, separators, a byte order mark, no end of the last line', async () => {
    const text = '\ufefftime;key;note\r\n1;"a;""b""\r\nc";x\r\n\r\n2;b;';
    expect((await all('a.csv', text)).rows).toEqual([
      { time: '1', key: 'a;"b"\r\nc', note: 'x' },
      { time: '2', key: 'b', note: '' },
    ]);
  });

  test('CSV of many pieces, with quotes here and there, also gzipped', async () => {
    const count = 60_000;
    const lines = Array.from(
      { length: count },
      (_, at) => `${at},${at % 977 === 0 ? `"k,${at}\n"` : `key-${at}`},${at / 8}`,
    );
    const text = `time,sensor,value\n${lines.join('\n')}\n`;
    expect(text.length).toBeGreaterThan(1 << 20);
    const { rows } = await all('b.csv.gz', gzipSync(text));
    expect(rows).toHaveLength(count);
    expect(rows[977]).toEqual({ time: '977', sensor: 'k,977\n', value: '122.125' });
    expect(rows.at(-1)).toEqual({ time: '59999', sensor: 'key-59999', value: '7499.875' });
    expect((await all('b.csv', text)).rows).toEqual(rows);
  });

  test('NDJSON: objects of different fields; what is no object is a fault', async () => {
    const { rows, faults } = await all(
      'c.ndjson',
      '{"time":1,"a":2}\n\n{"time":2,"b":"x"}\n[1]\nnonsense\n{"time":3}',
    );
    expect(rows).toEqual([{ time: 1, a: 2 }, { time: 2, b: 'x' }, { time: 3 }]);
    expect(faults).toHaveLength(2);
  });

  test('line protocol: tags, fields and time; comments and strings are read over', async () => {
    const text =
      '# DML\nweather,host=a,location=roof temperature=21.5,rssi=-70i,note="x" 1767225600000000000\nbroken\nweather,host=b ok=true 1767225600000000001\n';
    const { rows, faults } = await all('d.lp', text);
    expect(rows).toEqual([
      {
        measurement: 'weather',
        host: 'a',
        location: 'roof',
        temperature: 21.5,
        rssi: -70,
        time: '1767225600000000000',
      },
      { measurement: 'weather', host: 'b', ok: true, time: '1767225600000000001' },
    ]);
    expect(faults).toHaveLength(1);
  });

  test('what is no such file is an error of ours', async () => {
    await writeFile(join(folder, 'e.parquet'), 'PAR0');
    await writeFile(join(folder, 'empty.csv'), '');
    for (const name of ['e.parquet', 'empty.csv', 'none.csv'])
      await expect(async () => {
        for await (const chunk of readTable(join(folder, name), formatOfName(name) ?? 'csv'))
          expect(chunk).toBeDefined();
      }).rejects.toMatchObject({ code: 'IMPORT_UNREADABLE' });
  });
});
