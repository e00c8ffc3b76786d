/**
 * The embedded TimescaleDB server: a process of its own, because the engine blocks its thread for as long as a
 * statement runs. Started by timescale-process.ts; by hand: `node timescale-server.js <folder> [<host> <port>]`.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import { lockFolder } from './folder-lock.ts';
import { ensurePassword, passwordFile } from './password.ts';
import { ADVISORY_STUBS } from './gateway/advisory-locks.ts';
import { Engine } from './gateway/engine.ts';
import { DEFAULT_LIMITS, House } from './gateway/house.ts';
import { Gateway } from './gateway/server.ts';
import { DATABASE, DATABASE_ALIASES, type ServerArguments, type ServerMessage } from './messages.ts';
import { startEngineModule } from './pglite.ts';
import { portInUse, probePort } from './port-in-use.ts';

const CHECKPOINT_CHECK_MS = 60_000;
/** Whatever the umask of the shell is: the folder holds readings, and its files are this user's alone. */
const UMASK = 0o077;

function log(level: 'info' | 'error', message: string, fields: Record<string, unknown> = {}): void {
  process.stderr.write(
    `${JSON.stringify({ level, time: Date.now(), name: 'timescale-server', ...fields, msg: message })}\n`,
  );
}

function tell(message: ServerMessage): void {
  if (process.connected) process.send?.(message);
}

/** A fault leaves the engine in an unknown state: end at once, non-zero; the write-ahead log recovers at the next start. */
function die(error: unknown): void {
  log('error', 'the embedded database has failed', {
    error: messageOf(error),
    stack: (error as Error).stack,
  });
  queueMicrotask(() => {
    throw error;
  });
}

async function openEngine(dataDir: string): Promise<Engine> {
  const cluster = join(dataDir, 'pgdata');
  if (!existsSync(cluster)) {
    // A folder under its final name is whole: initdb that was interrupted begins again.
    const draft = `${cluster}.new`;
    rmSync(draft, { recursive: true, force: true });
    await initialiseCluster(draft);
    renameSync(draft, cluster);
  }
  return new Engine(await startEngineModule(cluster, DATABASE), DEFAULT_LIMITS.maxResultBytes);
}

async function initialiseCluster(folder: string): Promise<void> {
  // initdb leaves its session in template1 and in debug mode: end that one, the proper one starts afterwards.
  new Engine(await startEngineModule(folder, 'template1'), DEFAULT_LIMITS.maxResultBytes).close();
}

function prepare(house: House): void {
  // LOAD stands for shared_preload_libraries, which is not read here: without the loader an existing extension comes
  // up without its community part ("not supported under the current license").
  for (const sql of ["LOAD 'timescaledb'", 'CREATE EXTENSION IF NOT EXISTS timescaledb', ...ADVISORY_STUBS]) {
    const { errorCode } = house.runOwn(sql);
    if (errorCode !== null)
      throw new Error(`preparing the embedded database failed with ${errorCode}: ${sql}`);
  }
}

async function serve({ dataDir, host, port }: ServerArguments): Promise<void> {
  const unlock = lockFolder(dataDir, process.pid);
  let release: () => void = unlock;
  const taken = (error: unknown) => {
    throw portInUse(error, { port, what: 'the embedded database', key: 'embedded.database_port' });
  };
  try {
    await probePort(host, port).catch(taken);
    const engine = await openEngine(dataDir);
    release = () => {
      engine.close();
      unlock();
    };
    const house = new House(engine, DEFAULT_LIMITS, die);
    const gateway = new Gateway({
      house,
      host,
      port,
      databases: DATABASE_ALIASES,
      password: ensurePassword(dataDir),
      passwordHint: `The password of this embedded database is in ${passwordFile(dataDir)}.`,
      onFault: die,
    });
    prepare(house);
    const bound = await gateway.listen().catch(taken);
    const timer = setInterval(
      () => house.turnstile.isFree() && house.checkpointIfDue(true),
      CHECKPOINT_CHECK_MS,
    );
    stopOnSignal(() => {
      clearInterval(timer);
      gateway.close();
      release();
      log('info', 'the embedded database has stopped');
    });
    tell({ type: 'ready', port: bound });
  } catch (error) {
    release();
    throw error;
  }
}

/** The engine runs statements synchronously, so between two events none is half done. */
function stopOnSignal(stop: () => void): void {
  let stopped = false;
  const once = () => {
    if (stopped) return;
    stopped = true;
    stop();
    // The engine's own exit handling has left a code behind.
    process.exitCode = 0;
    if (process.connected) process.disconnect();
  };
  process.once('SIGTERM', once);
  process.once('SIGINT', once);
  // The parent asked, or is gone: with it goes its end of the channel.
  process.on('message', once);
  process.once('disconnect', once);
  // It may have gone while the engine was starting.
  if (process.send !== undefined && !process.connected) once();
}

function fail(error: unknown): void {
  const known = error instanceof FieldwatchError ? error : undefined;
  const message = messageOf(error);
  log('error', message, { code: known?.code ?? 'EMBEDDED_DB_FAILED' });
  const remedy = known?.remedy;
  tell({
    type: 'failed',
    code: known?.code ?? 'EMBEDDED_DB_FAILED',
    kind: known?.kind ?? 'bug',
    message,
    ...(remedy === undefined ? {} : { remedy }),
  });
  process.exitCode = 1;
  if (process.connected) process.disconnect();
}

process.umask(UMASK);
const [dataDir, host = '127.0.0.1', port = '0'] = process.argv.slice(2);
if (dataDir === undefined) {
  process.stderr.write('usage: timescale-server <folder> [<host> <port>]\n');
  process.exitCode = 2;
} else {
  serve({ dataDir, host, port: Number(port) }).catch(fail);
}
