import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { analyzeCommand } from '../../../src/cli/analyze/index.ts';
import { exportCommand } from '../../../src/cli/export/index.ts';
import { analyzeWith } from '../../../src/library/analyze.ts';
import type { Analyze } from '../../../src/library/analyze-types.ts';
import { runCli } from '../../support/cli.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { PYTHON, describePython } from '../../support/python.ts';

type Figures = Readonly<Record<string, unknown>>;
type Nested = Readonly<Record<string, Figures>>;

const RANGE = { from: '2026-03-26T22:00:00Z', to: '2026-03-31T22:00:00Z' };
const timeZone = 'Europe/Berlin';
const fixture = (name: string) => resolve('test/fixtures', name);

let database: TestDatabase;
let db: pg.Pool;
let env: Record<string, string>;
let analyze: Analyze;
/** What pandas finds in the same values: test/fixtures/analyze.py. */
let pandas: Readonly<Record<string, Nested>>;

beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  db = new pg.Pool({ connectionString: database.url, max: 1 });
  db.on('error', () => {});
  env = { FIELDWATCH_DATABASE_URL: database.url };
  await db.query(await readFile(fixture('analyze.sql'), 'utf8'));
  analyze = analyzeWith(db, () => Date.parse(RANGE.to));
  pandas = JSON.parse(await readFile(fixture('analyze-expected.json'), 'utf8')) as typeof pandas;
});
afterAll(async () => {
  await db.end();
  await database.close();
});

/** Numbers to nine digits: the last ones depend on the order in which a sum is made. */
const rounded = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, part: unknown) =>
      typeof part === 'number' ? Number(part.toPrecision(9)) : part,
    ),
  );
const same = (found: unknown, expected: unknown): void => {
  expect(Object.keys(expected as object).length).toBeGreaterThan(0);
  expect(rounded(found)).toEqual(rounded(expected));
};
const by = <Row>(rows: readonly Row[], key: (row: Row) => string, value: (row: Row) => unknown): Figures =>
  Object.fromEntries(rows.map((row) => [key(row), value(row)]));

describe('the figures of pandas', () => {
  test('describe: of all sensors, and of each', async () => {
    const figures = ({
      count,
      mean,
      std,
      min,
      p25,
      p50,
      p75,
      max,
    }: Awaited<ReturnType<Analyze['describe']>>[number]) => ({
      ...{ count, mean, std, min, max },
      ...{ '25%': p25, '50%': p50, '75%': p75 },
    });
    const all = await analyze.describe(RANGE);
    expect(all.map(({ metric, unit, sensors }) => [metric, unit, sensors])).toEqual([
      ['temperature', '°C', 3],
      ['humidity', '%', 3],
      ['rssi', 'dBm', 1],
      ['co2', 'ppm', 2],
    ]);
    same(
      by(all, ({ metric }) => metric, figures),
      pandas['describe'],
    );
    const each = await analyze.describe({ ...RANGE, metrics: ['temperature'], bySensor: true });
    same(
      by(each, ({ sensor }) => `${sensor}`, figures),
      pandas['by sensor'],
    );
  });

  test('correlate: metrics by values and by ranks, sensors', async () => {
    const pair = ({ a, b }: { a: string; b: string }) => `${a} ${b}`;
    for (const method of ['pearson', 'spearman'] as const) {
      const rows = await analyze.correlate({ ...RANGE, method });
      same(
        by(rows, pair, ({ r }) => r),
        pandas[method],
      );
    }
    const sensors = await analyze.correlate({ ...RANGE, of: 'sensors', metrics: ['temperature'] });
    expect(sensors.map(({ metric, buckets }) => [metric, buckets])).toEqual([
      ['temperature', 113],
      ['temperature', 116],
      ['temperature', 115],
    ]);
    same(
      by(sensors, pair, ({ r }) => r),
      pandas['of sensors'],
    );
  });

  test('pattern: hours of a day and of a week in a zone, across the change of its clock', async () => {
    const metric = 'temperature';
    const figures = ({ mean, std, median, count }: Awaited<ReturnType<Analyze['pattern']>>[number]) => [
      ...[mean, std, median, count],
    ];
    const hours = await analyze.pattern({ ...RANGE, metric, timeZone });
    same(
      by(hours, ({ hour }) => `${hour}`, figures),
      pandas['hour'],
    );
    const week = await analyze.pattern({ ...RANGE, metric, timeZone, of: 'week' });
    same(
      by(week, ({ weekday, hour }) => `${weekday} ${hour}`, figures),
      pandas['week'],
    );
    // Sunday the 29th has no hour from two to three.
    expect(week.filter(({ weekday, hour }) => weekday === 7 && hour === 2)).toEqual([]);
  });

  test('missing: the rhythm of each sensor, its gaps, the share of each day', async () => {
    const rows = await analyze.missing({ ...RANGE, timeZone });
    const found = by(
      rows,
      ({ sensor }) => sensor,
      ({ rhythmS, gaps, days }) => ({
        rhythm: rhythmS,
        gaps: gaps.map(({ from, to, seconds }) => [from, to, seconds]),
        days: Object.fromEntries(
          days.map(({ day, readings, expected, share }) => [day, [readings, expected, share]]),
        ),
      }),
    );
    same(found, pandas['missing']);
    // A stops early, and b has one gap of 31 readings.
    expect(
      rows.map(({ sensor, gaps }) => [sensor, gaps.map(({ missing, open }) => [missing, open])]),
    ).toEqual([
      ['a', [[19, true]]],
      ['b', [[31, false]]],
      ['c', [[8, false]]],
    ]);
  });

  test('missing: a sensor that begins in the range counts from its first reading', async () => {
    const rows = await analyze.missing({ ...RANGE, from: '2026-03-20T00:00:00Z', timeZone });
    expect(rows.map(({ days }) => days[0]?.day)).toEqual(['2026-03-26', '2026-03-26', '2026-03-26']);
    const shares = ({ sensor, share, expected }: (typeof rows)[number]) => [sensor, share, expected];
    expect(rows.map(shares)).toEqual((await analyze.missing({ ...RANGE, timeZone })).map(shares));
    // One that sends nothing at all has its days, and no rhythm.
    await db.query(`INSERT INTO sensors (id, key) VALUES (7, 'mute')`);
    const [mute] = await analyze.missing({ ...RANGE, sensor: 'mute' });
    expect(mute).toMatchObject({ rhythmS: null, readings: 0, expected: null, share: null, gaps: [] });
    expect(mute?.days).toHaveLength(6);
    await db.query('DELETE FROM sensors WHERE id = 7');
  });

  test('resample: method, fill, days of 23 hours', async () => {
    const one = { ...RANGE, metric: 'temperature', sensor: 'c' } as const;
    const values = (rows: Awaited<ReturnType<Analyze['resample']>>) =>
      by(
        rows,
        ({ bucket }) => bucket.toISOString(),
        ({ value }) => value,
      );
    same(values(await analyze.resample({ ...one, fill: 'linear' })), pandas['mean linear']);
    same(values(await analyze.resample({ ...one, fill: 'previous' })), pandas['mean previous']);
    const days = await analyze.resample({ ...one, method: 'median', bucket: '1d', timeZone });
    same(values(days), pandas['median of days']);
  });

  test('outliers: against the time before, and against the median', async () => {
    const one = { ...RANGE, metric: 'temperature' };
    const scores = (rows: Awaited<ReturnType<Analyze['outliers']>>) =>
      Object.fromEntries(
        ['a', 'b', 'c'].map((name) => [
          name,
          by(
            rows.filter(({ sensor }) => sensor === name),
            ({ time }) => time.toISOString(),
            ({ score }) => score,
          ),
        ]),
      );
    // Pandas knows nothing of what is before the range.
    const rolling = await analyze.outliers({ ...one, window: '6h' });
    same(scores(rolling), pandas['rolling']);
    same(scores(await analyze.outliers({ ...one, method: 'mad', threshold: 2.5 })), pandas['mad']);
    const magnitudes = rolling.map(({ score }) => Math.abs(score));
    expect(magnitudes).toEqual([...magnitudes].sort((a, b) => b - a));
  });
});

describe('names and options', () => {
  test('a name that does not exist is an error with the one that was meant', async () => {
    const cases: [Promise<unknown>, string, string][] = [
      [
        analyze.describe({ ...RANGE, metrics: ['tempereture'] }),
        'METRIC_UNKNOWN',
        'Did you mean "temperature"?',
      ],
      [analyze.missing({ ...RANGE, location: 'nort' }), 'LOCATION_UNKNOWN', 'Did you mean "north"?'],
    ];
    for (const [asked, code, remedy] of cases) await expect(asked).rejects.toMatchObject({ code, remedy });
    const sensor = analyze.pattern({ ...RANGE, metric: 'co2', sensor: ['a', 'nobody'] });
    await expect(sensor).rejects.toMatchObject({
      code: 'SENSOR_UNKNOWN',
      message: expect.stringContaining('"nobody"'),
    });
  });

  test('a former key stands for the present one', async () => {
    await db.query(`INSERT INTO sensor_aliases (key, sensor_id) VALUES ('old-a', 1)`);
    const [row] = await analyze.describe({ ...RANGE, sensor: 'old-a', metrics: ['rssi'] });
    expect(row).toMatchObject({ count: 701, sensors: 1 });
  });

  test('buckets, windows, zones and ranges that are none', async () => {
    const one = { ...RANGE, metric: 'temperature' };
    const wrong = [
      analyze.resample({ ...one, bucket: '0s' }),
      analyze.resample({ ...one, timeZone: 'Europe/Berln' }),
      analyze.outliers({ ...one, window: 'long' }),
      analyze.pattern({ ...one, to: RANGE.from }),
    ];
    for (const asked of wrong) await expect(asked).rejects.toMatchObject({ code: 'ANALYZE_INVALID' });
    await expect(analyze.resample({ ...one, bucket: '1s' })).rejects.toMatchObject({
      code: 'QUERY_TOO_LARGE',
    });
  });

  test('NaN and infinities are no values', async () => {
    await db.query(`INSERT INTO sensors (id, key) VALUES (9, 'nan')`);
    await db.query(`INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT '2026-03-27 00:00Z'::timestamptz + n * INTERVAL '1 min', 9, v
      FROM unnest(ARRAY['NaN', 'Infinity', '-Infinity', '1', '3']::float8[]) WITH ORDINALITY u (v, n)`);
    expect(await analyze.describe({ ...RANGE, sensor: 'nan' })).toMatchObject([
      { count: 2, mean: 2, min: 1, max: 3 },
    ]);
    await db.query('DELETE FROM sensor_readings WHERE sensor_id = 9');
    await db.query('DELETE FROM sensors WHERE id = 9');
  });

  test('a constant with one spike has a MAD of zero, and an outlier', async () => {
    await db.query(`INSERT INTO sensors (id, key) VALUES (8, 'flat')`);
    await db.query(`INSERT INTO sensor_readings (time, sensor_id, temperature)
      SELECT '2026-03-27 00:00Z'::timestamptz + n * INTERVAL '1 min', 8, CASE n WHEN 20 THEN 9 ELSE 5 END FROM generate_series(1, 40) n`);
    const found = await analyze.outliers({ ...RANGE, metric: 'temperature', sensor: 'flat', method: 'mad' });
    // The mean absolute deviation is 4 / 40.
    expect(found).toMatchObject([{ value: 9, expected: 5, spread: 0.1253314 }]);
    await db.query('DELETE FROM sensor_readings WHERE sensor_id = 8');
    await db.query('DELETE FROM sensors WHERE id = 8');
  });
});

describe('the command', () => {
  const range = ['--since', RANGE.from, '--until', RANGE.to];
  const cli = (...args: string[]) => runCli(analyzeCommand, [...args, ...range], { env });
  const json = (out: string): unknown[] =>
    out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);

  test('prints JSON lines, tables and pictures', async () => {
    const described = await cli('describe', '--metric', 'temperature', '--metric', 'co2', '--json');
    expect(json(described.out)).toMatchObject([
      { metric: 'temperature', count: 1844, unit: '°C' },
      { metric: 'co2', count: 1045, unit: 'ppm' },
    ]);
    const table = await cli('missing');
    expect(table.out).toMatch(/^sensor +location +every +readings .*\na +north +10m +701 +720 +97\.4 % +1 /);
    expect(json((await cli('missing', '--gaps', '--sensor', 'b', '--json')).out)).toMatchObject([
      { sensor: 'b', missing: 31, open: false },
    ]);
    expect((await cli('missing', '--days', '--sensor', 'c', '--csv')).out).toMatch(
      /^day,sensor,readings,expected,share\n2026-03-26,c,8,8,1\n2026-03-27,c,92,96,0\.958/,
    );
    const pictures: [string[], RegExp][] = [
      [['describe', '--metric', 'temperature', '--by-sensor'], /^temperature °C\na {2} *├─*▒+┃▒+─*┤\n/],
      [['correlate'], /\n1 temperature {2}███···/],
      [
        ['correlate', '--of', 'sensors', '--metric', 'temperature'],
        /^temperature\n +1 {2}2 {2}3\n1 a {2}███/,
      ],
      [['pattern', '--tz', timeZone], /^00:00 {2}[\d.]+ {2}█+/],
      [['pattern', '--of', 'weekday', '--tz', timeZone], /^Mon {2}/],
      [['pattern', '--of', 'week', '--tz', timeZone], /\nSun {2}[ ·░▒▓█]+\n/],
      [['missing', '--tz', timeZone], /^ +26 27 28 29 30 31\na {2}[█▓▒░·]+\n/],
      [['resample', '--sensor', 'c'], /^c\n *[\d.]+ │[ \u2800-\u28ff]+\n/],
    ];
    for (const [args, expected] of pictures) expect((await cli(...args, '--plot')).out).toMatch(expected);
  });

  test('a picture is for a terminal', async () => {
    await expect(cli('missing', '--plot', '--json')).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('an empty result is reported', async () => {
    const nothing = await runCli(
      analyzeCommand,
      ['outliers', '--since', '2020-01-01', '--until', '2020-01-02'],
      { env },
    );
    expect(nothing).toEqual({ code: 0, out: '', err: 'no rows\n' });
    expect((await cli('resample', '--tz', 'Mars/Base')).code).toBe(2);
  });

  test('outliers and resample are cut at their default limit only, and say so', async () => {
    expect((await cli('outliers', '--window', '6h', '--threshold', '0.1')).err).toContain('cut at 100 rows');
    expect((await cli('outliers', '--window', '6h', '--threshold', '0.1', '--limit', '5')).err).toBe('');
    const all = await cli('outliers', '--window', '6h', '--threshold', '0.1', '--limit', '0', '--json');
    expect([all.err, json(all.out).length > 1000]).toEqual(['', true]);
  });
});

describePython('pandas finds the expected figures in an export', ['pandas'], () => {
  test('test/fixtures/analyze.py', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fieldwatch-analyze-'));
    try {
      const file = join(folder, 'all.csv');
      await runCli(exportCommand, ['readings', '-o', file], { env });
      const { stdout } = await promisify(execFile)(PYTHON, [fixture('analyze.py'), file], {
        maxBuffer: 1 << 24,
      });
      same(JSON.parse(stdout), pandas);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
