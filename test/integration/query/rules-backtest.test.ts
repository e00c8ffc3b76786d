import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { parse } from 'yaml';
import { rulesCommand } from '../../../src/cli/rules/index.ts';
import { readingsInOrder } from '../../../src/queries/readings-in-order.ts';
import { runCli } from '../../support/cli.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

const DAY_MS = 86_400_000;
/** Three days ago, midnight UTC. */
const START = Math.floor(Date.now() / DAY_MS) * DAY_MS - 3 * DAY_MS;

let database: TestDatabase;
let db: pg.Pool;
let folder: string;
let env: Record<string, string>;

const values = async (sensor: number, minutes: number[], temperature: number[]) => {
  for (const [index, minute] of minutes.entries())
    await db.query('INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES ($1, $2, $3)', [
      new Date(START + minute * 60_000),
      sensor,
      temperature[index],
    ]);
};

beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  db = new pg.Pool({ connectionString: database.url, max: 1 });
  db.on('error', () => {});
  await db.query(`INSERT INTO sensors (id, key, location, tags) VALUES
    (1, 'a', 'lab', '{}'), (2, 'b', 'hall', '{cold}'), (3, 'c', 'hall', '{}')`);
  await db.query(`INSERT INTO metrics (id, name) VALUES (1, 'co2')`);
  await values(1, [0, 1, 2, 3, 1500, 1501], [20, 31, 33, 20, 31, 20]);
  await values(2, [0, 1, 2], [5, 9, 7]);
  await db.query(
    `INSERT INTO sensor_metrics (time, sensor_id, metric_id, value) VALUES ($1, 1, 1, 900), ($2, 1, 1, 1200)`,
    [new Date(START), new Date(START + 60_000)],
  );
  folder = await mkdtemp(join(tmpdir(), 'fieldwatch-backtest-'));
  await writeFile(
    join(folder, 'now.yaml'),
    `alerts:
  metrics: { temperature: { max: 30 }, co2: { max: 1000 } }
  overrides: [{ tag: cold, metrics: { temperature: { max: 8 } } }]
`,
  );
  await writeFile(join(folder, 'new.yaml'), 'alerts: { metrics: { temperature: { max: 32 } } }\n');
  env = { FIELDWATCH_DATABASE_URL: database.url };
});
afterAll(async () => {
  await db.end();
  await database.close();
  await rm(folder, { recursive: true });
});

const rules = (...args: string[]) => runCli(rulesCommand, [...args, '-c', join(folder, 'now.yaml')], { env });
const lines = (out: string) =>
  out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const minute = (time: unknown) => (Date.parse(time as string) - START) / 60_000;

describe('rules backtest', () => {
  test('gives the episodes of the configured rules, by scope and from both tables, and their counts', async () => {
    const { out, code } = await rules('backtest', '--since', '5d', '--json');
    expect(code).toBe(0);
    const all = lines(out);
    const episodes = all.filter(({ kind }) => kind === 'episode');
    expect(episodes.map((each) => [each['sensor'], each['alert_type'], minute(each['time'])])).toEqual(
      expect.arrayContaining([
        ['a', 'temperature_high', 1],
        ['a', 'temperature_high', 1500],
        ['a', 'co2_high', 1],
        ['b', 'temperature_high', 1],
      ]),
    );
    expect(episodes).toHaveLength(4);
    expect(episodes.find(({ alert_type }) => alert_type === 'co2_high')).toMatchObject({
      resolved_at: null,
      value: 1200,
      threshold: 1000,
    });
    expect(all.filter(({ kind }) => kind === 'day').map(({ episodes }) => episodes)).toEqual([3, 1]);
    expect(all.at(-1)).toMatchObject({
      kind: 'total',
      readings: 9,
      sensors: 3,
      episodes: 4,
      truncated: false,
    });
  });

  test('with --rules shows what would be gained and lost', async () => {
    const { out } = await rules('backtest', '--since', '5d', '--rules', join(folder, 'new.yaml'), '--json');
    const all = lines(out);
    expect(all.at(-1)).toMatchObject({ episodes: 4, proposed: 1, same: 1, gained: 0, lost: 3 });
    const lost = all
      .filter(({ change }) => change === 'lost')
      .map(({ sensor, time }) => [sensor, minute(time)]);
    expect(lost).toEqual(expect.arrayContaining([['a', 1500], ['b', 1], ['a', 1]])); // prettier-ignore
  });

  test('is a table for people, of the requested sensors and time', async () => {
    const { out } = await rules('backtest', '--since', '5d', '--sensor', 'a', '--episodes');
    expect(out).toContain('6 readings of 1 sensor');
    expect(out).toMatch(/temperature_high\s+warning\s+31 °C > 30 °C/);
    expect(out).toMatch(/a\s+temperature_high\s+2\s+3m\s+2m/);
    expect(out).toContain('3 episodes');
    const earlier = await rules('backtest', '--since', '5d', '--until', '55h', '--sensor', 'a');
    expect(earlier.out).toMatch(/[23] episodes/);
  });

  test.each([
    [['--sensor', 'nemo'], /no registered sensor fits nemo/],
    [['--since', '1d', '--until', '2d'], /is not before/],
  ])('%j is refused', async (args, message) => {
    await expect(rules('backtest', ...args)).rejects.toThrow(message);
  });

  test('writes nothing', async () => {
    const count = 'SELECT (SELECT count(*) FROM sensor_alerts) + (SELECT count(*) FROM alert_state) AS n';
    expect((await db.query<{ n: string }>(count)).rows[0]?.n).toBe('0');
  });
});

describe('rules suggest', () => {
  const rows = [...Array(300).keys()];

  beforeAll(async () => {
    // A room between 18 and 22 °C that is measured every minute, with one spike.
    await db.query(`INSERT INTO sensors (id, key, location) VALUES (4, 'd', 'office')`);
    await values(4, rows, rows.map((index) => (index === 150 ? 45 : 20 + 2 * Math.sin(index / 9) + (index % 3) * 0.1))); // prettier-ignore
  });

  test('proposes limits that the configuration takes, and says what they would have given', async () => {
    const { out, code } = await rules('suggest', '--since', '5d', '--sensor', 'd', '--json');
    expect(code).toBe(0);
    const [found] = lines(out);
    expect(found).toMatchObject({ kind: 'suggestion', metric: 'temperature', values: 300, sensors: 1 });
    expect(found).toMatchObject({ rule: { for: '2m' }, proposed: { high: 0, low: 0 }, current: { high: 1 } });
  });

  test('as rules alone they can be given to the backtest', async () => {
    const { out } = await rules('suggest', '--since', '5d', '--location', 'office', '--yaml');
    expect(out).toMatch(/^# suggested .*\nalerts:\n {2}overrides:\n {4}- location: office\n/);
    const file = join(folder, 'suggested.yaml');
    await writeFile(file, out);
    const backtest = await rules('backtest', '--since', '5d', '--sensor', 'd', '--rules', file);
    expect(backtest.out).toContain('1 episode now, 0 with the file: 0 gained, 1 lost');
  });

  test('is a table for people, and says where there is too little to go by', async () => {
    const { out, code } = await rules('suggest', '--since', '5d', '--sensor', 'a');
    expect(code).toBe(1);
    expect(out).toMatch(/metric\s+values\s+usual/);
    expect(out).toContain('co2: no suggestion, 2 values are too few, 100 are needed');
    expect((await rules('suggest', '--since', '5d', '--metric', 'nothing')).err).toContain('no values');
  });
});

describe('rules suggest of several values', () => {
  const rows = [...Array(300).keys()];

  beforeAll(async () => {
    await db.query(
      `INSERT INTO sensors (id, key, location) VALUES (5, 'heating', 'cellar'), (6, 'out', 'garden')`,
    );
    await db.query(`INSERT INTO metrics (id, name) VALUES (2, 'supply'), (3, 'return')`);
    for (const [id, value] of [
      [2, '50 + n % 5'],
      [3, '40'],
    ])
      await db.query(
        `INSERT INTO sensor_metrics (time, sensor_id, metric_id, value)
         SELECT $1::timestamptz + n * INTERVAL '1 minute', 5, ${id}, ${value} FROM generate_series(0, 299) n`,
        [new Date(START)],
      );
    // Its readings lie between those of the heating.
    await values(6, rows.map((index) => index - 0.5), rows.map(() => 10)); // prettier-ignore
  });

  const about = ['--since', '5d', '--sensor', 'heating', '--metric', 'supply'];

  test('proposes limits of a difference within a sensor, which the backtest takes', async () => {
    const { out, code } = await rules('suggest', ...about, '--minus', 'return', '--yaml');
    expect(code).toBe(0);
    const file = join(folder, 'difference.yaml');
    await writeFile(file, out);
    const { difference } = (parse(out) as { alerts: { overrides: [{ metrics: { supply: { difference: { minus: object; min: number; max: number } } } }] } }).alerts.overrides[0].metrics.supply;
    expect(difference).toMatchObject({ minus: { metric: 'return' } });
    expect(difference.min).toBeLessThan(10);
    expect(difference.max).toBeGreaterThan(14);
    const backtest = await rules('backtest', '--since', '5d', '--sensor', 'heating', '--rules', file);
    expect(backtest.out).toContain('0 episodes now, 0 with the file');
  }); // prettier-ignore

  test('and of two sensors, with the value that the other one had', async () => {
    const { out } = await rules('suggest', ...about, '--minus', 'temperature', '--minus-sensor', 'out', '--json');
    expect(lines(out)).toMatchObject([
      { metric: 'supply minus temperature', values: 300, least: 40, most: 44, rule: { difference: { minus: { sensor: 'out' } } }, proposed: { high: 0, low: 0 } },
    ]);
    await expect(rules('suggest', ...about, '--minus', 'x', '--minus-sensor', 'nobody')).rejects.toMatchObject({
      code: 'SENSOR_UNKNOWN',
    });
  }); // prettier-ignore

  test('a difference needs both of its metrics', async () => {
    await expect(rules('suggest', '--minus', 'return')).rejects.toMatchObject({ code: 'USAGE' });
    await expect(rules('suggest', '--minus-sensor', 'out')).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('proposes a count by how many alerts were open at once under the present rules', async () => {
    const args = [
      'suggest',
      '--since',
      '5d',
      '--count',
      'alert_type=temperature_high',
      '--name',
      'many_warm',
    ];
    // Sensors a and b were above their limits at the second minute.
    const { out } = await rules(...args, '--json');
    expect(lines(out)).toMatchObject([
      { kind: 'open_at_once', at_least: 1 },
      { kind: 'open_at_once', at_least: 2, episodes: 1 },
      { kind: 'suggestion', count: { name: 'many_warm', at_least: 2 } },
    ]);
    const file = join(folder, 'count.yaml');
    await writeFile(file, (await rules(...args, '--yaml')).out);
    const checked = await rules('check', file);
    expect(checked.code).toBe(0);
    expect((await rules('suggest', '--since', '5d', '--count', 'alert_type=x')).err).toContain('no alert that matches was open'); // prettier-ignore
  });
});

describe('readings in order', () => {
  test('come whole and in order, however much falls on one stretch of time', async () => {
    const base = START - DAY_MS;
    await db.query(
      `INSERT INTO sensor_readings (time, sensor_id, temperature)
       SELECT $1::timestamptz + i * INTERVAL '10 ms', 3, i FROM generate_series(1, 130000) i`,
      [new Date(base)],
    );
    const read = { query: async <Row>(text: string, values: unknown[]) => {
      const { rows } = await db.query(text, values);
      sizes.push(rows.length);
      return { rows: rows as Row[] };
    } }; // prettier-ignore
    const sizes: number[] = [];
    let [count, last] = [0, 0];
    const query = { from: new Date(base - DAY_MS), to: new Date(START + 5 * DAY_MS), sensorIds: [3] };
    for await (const chunk of readingsInOrder(read, query))
      for (const { timeUs, metrics } of chunk) {
        // An expectation for each would take longer than all the rest.
        if (!(Number(timeUs) > last) || metrics.get('temperature') !== count + 1)
          throw new Error(`at ${count}`);
        last = Number(timeUs);
        count++;
      }
    expect(count).toBe(130_000);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(60_001);
  });
});
