import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import { createPool, readerOf } from '../../../src/adapters/timescale/connection/pool.ts';
import { RESOURCES } from '../../../src/api/resource/index.ts';
import { COMMANDS } from '../../../src/cli/index.ts';
import { type ApiServer, startApiServer } from '../../support/api-server.ts';
import { runCli } from '../../support/cli.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { isNightly } from '../../support/rounds.ts';

type Language = 'sh' | 'ts' | 'sql';
type Row = Readonly<Record<string, unknown>>;

interface Block {
  readonly language: Language;
  readonly text: string;
}

interface Part {
  readonly number: number;
  readonly blocks: readonly Block[];
}

/** What the blocks of a part gave: rows of JSON by command, what was printed, rows by statement. */
interface Outcome {
  readonly sh: readonly string[];
  readonly ts: readonly unknown[];
  readonly sql: readonly (readonly Row[])[];
}

const TEXT = await readFile(resolve('docs/from-python.md'), 'utf8');
const [PREAMBLE = '', ...SECTIONS] = TEXT.split(/^### (?=\d+\. )/m);
const blocksOf = (section: string): readonly Block[] =>
  [...section.matchAll(/^```(sh|ts|sql)\n([\s\S]*?)^```$/gm)].map(([, language, text = '']) => ({
    language: language as Language,
    text,
  }));
const PARTS: readonly Part[] = SECTIONS.map((section) => ({
  number: parseInt(section, 10),
  blocks: blocksOf(section),
}));

let db: TestDatabase;
let client: pg.Client;
let pool: pg.Pool;
let server: ApiServer;
let dir: string;
let modules: string;
beforeAll(async () => {
  db = await openTestDatabase({ migrated: true });
  client = new pg.Client({ connectionString: db.url });
  await client.connect();
  pool = await createPool({ url: db.url, applicationName: 'test', max: 1 }, silentLogger);
  server = await startApiServer(RESOURCES, { db: readerOf(pool) });
  dir = await mkdtemp(join(tmpdir(), 'fieldwatch-from-python-'));
  // Below the package, so that the peers are found.
  modules = resolve('dist/examples', `from-python-${process.pid}`);
  await mkdir(modules, { recursive: true });
});
afterAll(async () => {
  await server.stop();
  await pool.end();
  await client.end();
  await db.close();
  await rm(dir, { recursive: true });
  await rm(modules, { recursive: true });
});

/** The lines of a block, each a command; files are those of the test's folder. */
async function commands(text: string): Promise<string[]> {
  const printed: string[] = [];
  for (const line of text.trim().split('\n')) {
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
    const env: Record<string, string> = {
      FIELDWATCH_DATABASE_URL: db.url,
      FIELDWATCH_STATE_DIR: join(dir, 'state'),
      NO_COLOR: '1',
    };
    while (words[0]?.startsWith('FIELDWATCH_') === true) {
      const [name = '', value = ''] = words.shift()!.split('=');
      env[name] = value;
    }
    const [program, name, ...args] = words;
    expect(program).toBe('fieldwatch');
    const command = COMMANDS.find((listed) => listed.name === name);
    if (command === undefined) throw new Error(`no such command: ${line}`);
    const inFolder = args.map((arg) => (/^[\w-]+\.(csv|parquet)$/.test(arg) ? join(dir, arg) : arg));
    const { code, out, err } = await runCli(await command.load(), inFolder, { env });
    expect({ line, code, err }).toEqual({ line, code: 0, err: expect.any(String) });
    expect([line, (out + err).trim() === '']).toEqual([line, false]);
    printed.push(out);
  }
  return printed;
}

/** The statements of a block, each in a transaction of its own, as psql runs them; COPY takes the lines up to `\.`. */
async function statements(text: string): Promise<Row[][]> {
  const results: Row[][] = [];
  let rows = 0;
  for (const [, statement = '', data] of text.matchAll(/([^;]+);\n(?:((?:[^\n]*,[^\n]*\n)+)\\\.\n)?/g)) {
    if (data === undefined) {
      const result = await client.query<Row>(statement);
      results.push(result.rows);
      rows += result.rowCount ?? result.rows.length;
    } else {
      const copy = client.query(copyFrom(statement));
      copy.end(data);
      await once(copy, 'finish');
    }
  }
  expect([text, rows > 0]).toEqual([text, true]);
  return results;
}

type Print = (...values: readonly unknown[]) => void;
interface Program {
  readonly parts: Readonly<Record<number, (console: { readonly log: Print }) => Promise<void>>>;
  readonly close: () => Promise<void>;
}

/** The blocks of TypeScript as the file of one module: what all of them have in the beginning, and a function a part. */
async function programFile(): Promise<string> {
  const code = blocksOf(PREAMBLE)
    .map(({ text }) => text)
    .join('\n')
    .replace('http://127.0.0.1:9464', `http://127.0.0.1:${server.port}`)
    .replace("process.env['DATABASE_URL']!", JSON.stringify(db.url));
  const parts = PARTS.map(({ number, blocks }) => {
    const body = blocks.filter(({ language }) => language === 'ts').map(({ text }) => text);
    return `${number}: async (console: { log(...values: readonly unknown[]): void }) => {\n${body.join('\n')}\n},`;
  });
  const file = join(modules, 'program.ts');
  const close = 'export const close = async () => { await monitor.close(); await pool.end(); };';
  await writeFile(file, `${code}\nexport const parts = {\n${parts.join('\n')}\n};\n${close}\n`);
  return file;
}

const json = (out: string | undefined): Row[] =>
  (out ?? '')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
const rowsOf = (printed: unknown): readonly Row[] => printed as readonly Row[];
const sum = (rows: readonly Row[], column: string): number =>
  rows.reduce((total, row) => total + Number(row[column]), 0);

/** For parts whose three ways answer the same question: checks that they give the same. */
const SAME: Readonly<Record<number, (outcome: Outcome) => void>> = {
  4: ({ sh, ts }) => {
    const stored = { host: 'worker-1', metric: 'queue_length', value: 17 };
    expect([json(sh[0])[0], rowsOf(ts[0])[0]]).toMatchObject([stored, stored]);
  },
  5: ({ ts }) => expect(ts).toMatchObject([{ stored: 3 }, { stored: 0, duplicate: 3 }]),
  10: ({ sh, sql }) => {
    const fields = (rows: readonly Row[]) =>
      rows.map((row) => [new Date(row['time'] as string), row['temperature'], row['humidity']]);
    expect(sql[0]).toHaveLength(5);
    expect(fields(json(sh[0]))).toEqual(fields(sql[0]!));
  },
  11: ({ sh, ts, sql }) => {
    const counts = [json(sh[0]), rowsOf(ts[0]), sql[0]!].map((rows) => [rows.length, sum(rows, 'count')]);
    expect(counts).toEqual([counts[2], counts[2], [expect.any(Number), 1008]]);
  },
  12: ({ sh, ts, sql }) => {
    expect(sql[0]!.length).toBeGreaterThan(3);
    for (const expected of sql[0]!) {
      const close = Object.fromEntries(
        ['avg', 'stddev', 'median', 'p95', 'count'].map((name) => [
          name,
          expect.closeTo(Number(expected[name]), 6),
        ]),
      );
      for (const rows of [json(sh[0]), rowsOf(ts[0])])
        expect(rows.find(({ location }) => location === expected['location'])).toMatchObject(close);
    }
  },
  14: ({ sh, ts, sql }) => {
    const keys = sql[0]!.map(({ key }) => key);
    expect(keys.length).toBeGreaterThan(9);
    expect(json(sh[0]).map(({ sensor }) => sensor)).toEqual(expect.arrayContaining(keys));
    for (const { key, temperature } of sql[0]!)
      expect(rowsOf(ts[0]).find(({ sensor }) => sensor === key)?.['value']).toBe(temperature);
  },
  15: ({ sh, ts, sql }) => {
    const [command, program, statement] = [json(sh[0]), rowsOf(ts[0]), sql[0]!];
    expect([command.length, program.length]).toEqual([statement.length, statement.length]);
    for (const rows of [command, program])
      expect(sum(rows, 'average')).toBeCloseTo(sum(statement, 'average'), 6);
  },
  16: ({ sh, ts, sql }) => {
    const times = (rows: readonly Row[]) =>
      rows.map(({ time, sensor }) => `${new Date(time as string).toISOString()} ${String(sensor)}`).sort();
    const expected = times(sql[0]!);
    expect(expected.length).toBeGreaterThan(0);
    expect(times(json(sh[0]))).toEqual(expected);
    expect(times(rowsOf(ts[0]))).toEqual(expected);
  },
  17: ({ ts, sql }) => {
    expect(rowsOf(ts[0]).map(({ policy, verdict }) => [policy, verdict])).toEqual([
      ['refresh', 'ok'],
      ['retention', 'ok'],
    ]);
    expect(sql[0]!.map(({ proc_name }) => proc_name)).toEqual([
      'policy_refresh_continuous_aggregate',
      'policy_retention',
    ]);
  },
  18: ({ ts, sql }) => {
    expect(rowsOf(ts[0]).length).toBeGreaterThan(2);
    for (const day of rowsOf(ts[0])) {
      const same = sql[0]!.find((row) => Number(row['day']) === Number(day['day']));
      expect([Number(day['readings']), day['avg']]).toEqual([
        Number(same?.['readings']),
        expect.closeTo(Number(same?.['avg']), 6),
      ]);
    }
  },
  20: ({ ts, sql }) => {
    expect(Number(sql[0]![0]!['compressed'])).toBeGreaterThan(0);
    expect(ts[0]).toMatchObject({ compressed: Number(sql[0]![0]!['compressed']) });
  },
  21: ({ ts, sql }) => {
    expect(sql[0]).toContainEqual({ relation: 'sensor_readings', drop_after: '90 days' });
    expect(ts[0]).toContainEqual(['sensor_readings', 90]);
  },
  23: ({ sh, ts, sql }) => {
    const described = json(sh[1]).find(({ metric }) => metric === 'temperature');
    const [expected] = sql[0]!;
    expect([described?.['count'], ts[1], ts[0], ts[6]]).toEqual([1008, 1008, 1008, 1008]);
    expect(Number(expected?.['count'])).toBe(1008);
    expect([described?.['mean'], described?.['std']]).toEqual([
      expect.closeTo(Number(expected?.['avg']), 9),
      expect.closeTo(Number(expected?.['stddev_samp']), 9),
    ]);
    expect([
      described?.['min'],
      described?.['p25'],
      described?.['p50'],
      described?.['p75'],
      described?.['max'],
    ]).toEqual(expected?.['percentile_cont']);
  },
  24: ({ sh, ts, sql }) => {
    const messages = sql[0]!.map(({ message }) => message);
    expect(messages).toEqual(['freezer: temperature -12 is above -15']);
    expect(json(sh[1]).map(({ message }) => message)).toEqual(messages);
    expect(ts[2]).toEqual(messages);
  },
  25: ({ sh, ts, sql }) => {
    const hour = json(sh[0]).find(({ query }) => query === 'readings recent --since 1h');
    expect(Number(hour?.['touched'])).toBeLessThan(Number(hour?.['of']) / 2);
    const plans = [ts[0] as readonly string[], sql[0]!.map((row) => String(row['QUERY PLAN']))];
    for (const plan of plans) {
      const chunks = new Set(plan.join('\n').match(/_hyper_\d+_\d+_chunk\b/g));
      expect(chunks.size).toBeGreaterThan(0);
      // An hour lies in two chunks at most.
      expect(chunks.size).toBeLessThanOrEqual(2);
    }
  },
  26: ({ ts, sql }) => expect(ts[0]).toBe(Number(sql[0]![0]!['rows'])),
  27: ({ sh, ts, sql }) => {
    expect(json(sh[0])).toHaveLength(sql[1]!.length);
    expect(rowsOf(ts[0])).toHaveLength(sql[1]!.length);
  },
  28: ({ sh, ts, sql }) => {
    const names = sql[0]!.map(({ indexname }) => indexname);
    expect(names).toEqual(['sensor_readings_key']);
    expect(json(sh[0]).find(({ relation }) => relation === 'sensor_readings')?.['indexes']).toEqual(names);
    expect(ts[0]).toEqual(names);
  },
};

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0);

test('there are 28 parts, each as command, as call and as SQL', () => {
  expect(PARTS.map(({ number }) => number)).toEqual(Array.from({ length: 28 }, (_, at) => at + 1));
  for (const { number, blocks } of PARTS)
    expect([number, blocks.map(({ language }) => language).sort()]).toEqual([number, ['sh', 'sql', 'ts']]);
});

test('all of it runs, in the order of the document', async () => {
  const { parts, close } = (await import(await programFile())) as Program;
  try {
    for (const { number, blocks } of PARTS) {
      const outcome: { sh: string[]; ts: unknown[]; sql: Row[][] } = { sh: [], ts: [], sql: [] };
      for (const { language, text } of blocks) {
        if (language === 'sh') outcome.sh = await commands(text);
        else if (language === 'sql') outcome.sql = await statements(text);
        else await parts[number]!({ log: (...values) => outcome.ts.push(...values) });
      }
      expect([number, outcome.ts.length > 0, outcome.ts.filter(isEmpty)]).toEqual([number, true, []]);
      SAME[number]?.(outcome);
    }
  } finally {
    await close();
  }
});

(isNightly ? test : test.skip)('all of it compiles strictly against the package (nightly)', async () => {
  const compilerOptions = {
    ...{ strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, skipLibCheck: true },
    ...{
      target: 'es2023',
      lib: ['es2023', 'esnext.disposable'],
      module: 'nodenext',
      types: ['node'],
      noEmit: true,
    },
  };
  const config = join(modules, 'tsconfig.json');
  await writeFile(config, JSON.stringify({ compilerOptions, files: [await programFile()] }));
  const compiler = [resolve('node_modules/typescript/bin/tsc'), '-p', config];
  const faults = await promisify(execFile)(process.execPath, compiler).then(
    ({ stdout }) => stdout,
    ({ stdout }: { stdout: string }) => stdout,
  );
  expect(faults).toBe('');
});
