import { type CodecLibraries, loadCodecLibrariesWith } from '../core/ingest/codec/library.ts';
import { loadLibrary } from './load-library.ts';

/** Once in each program that compiles routes. */
export function registerCodecLibraries(): void {
  loadCodecLibrariesWith((name) => loadLibrary(name) as CodecLibraries[typeof name]);
}
