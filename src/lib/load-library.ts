import { createRequire } from 'node:module';
import { type CodecLibraries, loadCodecLibrariesWith } from '../core/ingest/codec/library.ts';

const require = createRequire(import.meta.url);

/**
 * A library that most runs do without, loaded where a synchronous function first needs it. `import()` serves wherever the
 * caller can wait.
 */
export const loadLibrary = (name: string): unknown => require(name);

/** Once in each program that compiles routes. */
export function registerCodecLibraries(): void {
  loadCodecLibrariesWith((name) => loadLibrary(name) as CodecLibraries[typeof name]);
}
