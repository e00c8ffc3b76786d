import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lockFolder } from './folder-lock.ts';
import { ADVISORY_STUBS } from './gateway/advisory-locks.ts';
import { EngineProcess } from './gateway/engine-process.ts';
import { DEFAULT_LIMITS, EngineState } from './gateway/engine-state.ts';
import { Gateway } from './gateway/server.ts';
import { DATABASE, DATABASE_ALIASES, type ServerArguments } from './messages.ts';
import { ensurePassword, passwordFile } from './password.ts';
import { startEngineModule } from './pglite.ts';
import { portInUse, probePort } from './port-in-use.ts';

const CHECKPOINT_CHECK_MS = 60_000;

export interface OpenServer {
  /** The one that was bound. */
  readonly port: number;
  /** Clean end with a checkpoint; synchronous, as the engine is: between two events no statement is half done. */
  close(): void;
}

/**
 * Opens the database of a folder on a port. Statements block the calling thread for as long as they run.
 * @param onFault the engine is in an unknown state: the thread must end; the write-ahead log recovers at the next start.
 */
export async function openServer(
  { dataDir, host, port }: ServerArguments,
  onFault: (error: unknown) => void,
): Promise<OpenServer> {
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
    const engineState = new EngineState(engine, DEFAULT_LIMITS, onFault);
    const gateway = new Gateway({
      engineState,
      host,
      port,
      databases: DATABASE_ALIASES,
      password: ensurePassword(dataDir),
      passwordHint: `The password of this embedded database is in ${passwordFile(dataDir)}.`,
      onFault,
    });
    prepare(engineState);
    const bound = await gateway.listen().catch(taken);
    const timer = setInterval(
      () => engineState.mutex.isFree() && engineState.checkpointIfDue(true),
      CHECKPOINT_CHECK_MS,
    );
    const close = () => {
      clearInterval(timer);
      gateway.close();
      release();
    };
    return { port: bound, close };
  } catch (error) {
    release();
    throw error;
  }
}

async function openEngine(dataDir: string): Promise<EngineProcess> {
  const cluster = join(dataDir, 'pgdata');
  if (!existsSync(cluster)) {
    // A folder under its final name is whole: initdb that was interrupted begins again.
    const draft = `${cluster}.new`;
    rmSync(draft, { recursive: true, force: true });
    await initialiseCluster(draft);
    renameSync(draft, cluster);
  }
  return new EngineProcess(await startEngineModule(cluster, DATABASE), DEFAULT_LIMITS.maxResultBytes);
}

async function initialiseCluster(folder: string): Promise<void> {
  // initdb leaves its session in template1 and in debug mode: end that one, the proper one starts afterwards.
  new EngineProcess(await startEngineModule(folder, 'template1'), DEFAULT_LIMITS.maxResultBytes).close();
}

function prepare(engineState: EngineState): void {
  // LOAD stands for shared_preload_libraries, which is not read here: without the loader an existing extension comes
  // up without its community part ("not supported under the current license").
  for (const sql of ["LOAD 'timescaledb'", 'CREATE EXTENSION IF NOT EXISTS timescaledb', ...ADVISORY_STUBS]) {
    const { errorCode } = engineState.runOwn(sql);
    if (errorCode !== null)
      throw new Error(`preparing the embedded database failed with ${errorCode}: ${sql}`);
  }
}
