import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

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
    expect(paths.filter((path) => /\.map$|tsbuildinfo|\.ts$|^(test|src)\//.test(path))).toEqual([]);
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
    for (const target of Object.values(manifest['exports'] as Record<string, string>))
      expect(packed.files.map(({ path }) => `./${path}`)).toContain(target);
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
