import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script, constants } from 'node:vm';

export interface LoadedScript {
  readonly exports: unknown;
  /** V8 took the compiled code of the file and has compiled nothing itself. */
  readonly wasCompiled: boolean;
  /** The code of all functions that have run so far, for `compiledFile`. */
  compiled(): Buffer;
}

/**
 * Where the compiled code of a script is: V8 takes only its own, this machine's, and that of the same flags, which `NODE_OPTIONS` may hold.
 */
export const compiledFile = (file: string, nodeOptions = ''): string =>
  `${file}.${process.version}-${process.platform}-${process.arch}${nodeOptions.trim().replaceAll(/[^\w=.-]+/g, '_')}`;

/**
 * Runs a CommonJS script of the package in a process that was started with `nodeOptions`. Where its compiled code is missing, or of another V8 or other flags, it is
 * compiled as any other file. V8 tells sources apart by their length only: the name of a script changes with its text.
 */
export function loadScript(file: string, nodeOptions?: string): LoadedScript {
  const cachedData = readIfThere(compiledFile(file, nodeOptions));
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`;
  const script = new Script(source, {
    filename: file,
    ...(cachedData === undefined ? {} : { cachedData }),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const module = { exports: {} };
  type Body = (...args: readonly [object, NodeJS.Require, object, string, string]) => void;
  const body = script.runInThisContext() as Body;
  body(module.exports, createRequire(file), module, file, dirname(file));
  return {
    exports: module.exports,
    wasCompiled: cachedData !== undefined && script.cachedDataRejected === false,
    compiled: () => script.createCachedData(),
  };
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
