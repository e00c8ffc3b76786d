import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/**
 * A library that most runs do without, loaded where a synchronous function first needs it. `import()` serves wherever the
 * caller can wait.
 */
export const loadLibrary = (name: string): unknown => require(name);
