import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const run = promisify(execFile);
const MAIN = resolve('dist/main.js');
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(FIELDWATCH_|NODE_OPTIONS)/.test(name)),
);

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
const ended = (started: Promise<{ stdout: string; stderr: string }>): Promise<Ended> =>
  started.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Ended) => error,
  );
/** `node`: options of Node before the program. */
const fieldwatch = (args: readonly string[], node: readonly string[] = []): Promise<Ended> =>
  ended(run(process.execPath, [...node, MAIN, ...args], { cwd: dir, env }));

/** Nothing answers on port 1 of either. */
const config = (more: string) => `
mqtt: { url: "mqtt://127.0.0.1:1" }
database: { url: "postgres://fieldwatch@127.0.0.1:1/fieldwatch" }
routes: [{ topic: "s/{device}", codec: json }]
http: { enabled: false }
${more}
`;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fieldwatch-launch-'));
});
afterAll(() => rm(dir, { recursive: true }));

const write = async (more: string): Promise<string> => {
  const file = join(dir, 'fieldwatch.yaml');
  await writeFile(file, config(more));
  return file;
};

const NODE = Number(process.versions.node.split('.')[0]);

describe('a host that cannot run it gets one reason', () => {
  test('Node is too old', async () => {
    const { engines } = JSON.parse(await readFile('package.json', 'utf8')) as { engines: { node: string } };
    const least = engines.node.replace('>=', '');
    const as = (version: string) => [
      '--import',
      `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '${version}' })`,
    ];
    const { code, stderr } = await fieldwatch(['--version'], as('18.20.8'));
    expect([code, stderr.trim().split('\n')]).toEqual([
      2,
      [expect.stringMatching(new RegExp(`^fieldwatch: needs Node ${least} or newer`))],
    ]);
    expect((await fieldwatch(['--version'], as('20.18.9'))).code).toBe(2);
    expect((await fieldwatch(['--version'], as(`${least}.0`))).code).toBe(0);
  });

  test('an old Node can parse the version check: nothing is imported at the top', async () => {
    const source = await readFile(MAIN, 'utf8');
    expect(source).not.toMatch(/^(import|await|export .* from)\b/m);
    expect(source).not.toMatch(/\?\.|\?\?/);
  });

  test('too few open files', async () => {
    // How many it takes to load depends on Node. From 22 on it needs as many to start as the program does to load.
    let failed = { code: 0 as number | null, stderr: '' };
    for (let files = 60; failed.code === 0 && files > 20; files -= 1) {
      const command = `ulimit -n ${files}; exec "${process.execPath}" "${MAIN}" --version`;
      failed = await ended(run('sh', ['-c', command], { env }));
    }
    const { code, stderr } = failed;
    if (NODE >= 22) {
      expect([code, stderr]).toEqual([1, expect.stringContaining('too many open files')]);
      return;
    }
    expect([code, stderr]).toEqual([2, expect.stringContaining('code: OPEN_FILES_LIMIT')]);
    expect(stderr).not.toContain('    at ');
  });

  (NODE < 24 ? test : test.skip)(
    'too small an address space (of Node 20 and 22; later ones need none for WebAssembly)',
    async () => {
      // What wants the addresses is the HTTP client, which is loaded where a sink is configured.
      const file = await write(
        `state_dir: ${join(dir, 'addresses')}\nnotify: [{ name: hook, kind: webhook, url: "http://127.0.0.1:1/" }]`,
      );
      const command = `ulimit -v 1500000; exec "${process.execPath}" "${MAIN}" run -c "${file}"`;
      const { code, stderr } = await ended(run('sh', ['-c', command], { env }));
      expect([code, stderr]).toEqual([2, expect.stringContaining('code: ADDRESS_SPACE_LIMIT')]);
      expect(stderr).not.toContain('    at ');
    },
  );

  test('a state_dir that cannot be made', async () => {
    const file = await write('state_dir: /proc/fieldwatch/state');
    expect(await fieldwatch(['run', '-c', file])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('code: STATE_DIR'),
    });
  });
});

describe('no usable native module', () => {
  let without: readonly string[];
  beforeAll(async () => {
    const [preload, hooks] = [join(dir, 'preload.mjs'), join(dir, 'hooks.mjs')];
    await writeFile(
      hooks,
      `export const resolve = (name, context, next) => {
        if (name === 'classic-level') throw new Error('No native build was found for platform=linux arch=arm');
        return next(name, context);
      };`,
    );
    await writeFile(
      preload,
      `import { register } from 'node:module';\nregister(${JSON.stringify(pathToFileURL(hooks))});`,
    );
    without = ['--import', preload];
  });

  test('the spool says what is missing', async () => {
    const file = await write('state_dir: ./state');
    const { code, stderr } = await fieldwatch(['run', '-c', file], without);
    expect([code, stderr]).toEqual([2, expect.stringContaining('No native build was found')]);
    expect(stderr).toContain('code: SPOOL_UNAVAILABLE');
    expect(stderr).toContain('spool.enabled: false');
  });

  test('what needs no spool works', async () => {
    const file = await write('state_dir: ./state\nspool: { enabled: false }');
    expect(await fieldwatch(['check-config', '-c', file], without)).toMatchObject({ code: 0 });
    const decode = ['decode', '-c', file, '--topic', 's/a', '{"temperature": 1}'];
    expect(await fieldwatch(decode, without)).toMatchObject({ code: 0 });
    // Without a spool a database that is away ends the start: that is as far as it can come here.
    expect(await fieldwatch(['run', '-c', file], without)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code: DB_UNREACHABLE'),
    });
  });
});

test('state_dir and all below it are for its user alone, whatever the umask is', async () => {
  const file = await write('state_dir: ./kept\nlog: { alert_log: ./logs/alerts.log }');
  const daemon = spawn('sh', ['-c', `umask 000; exec "${process.execPath}" "${MAIN}" run -c "${file}"`], {
    ...{ cwd: dir, env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  for await (const chunk of daemon.stderr) {
    log += String(chunk);
    if (log.includes('"msg":"ready"')) break;
  }
  daemon.kill('SIGKILL');
  await once(daemon, 'exit');
  const { stdout } = await run('find', ['kept', 'logs', '-printf', '%y %m %p\n'], { cwd: dir });
  const lines = stdout.trim().split('\n');
  expect(lines.length).toBeGreaterThan(5);
  expect(lines.filter((line) => !/^(d 700|f 600) kept/.test(line))).toEqual([
    'd 750 logs',
    'f 640 logs/alerts.log',
  ]);
});
