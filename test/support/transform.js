// The tests and what they test, as JavaScript. A test file runs in a context of its own, where each look at a global goes through
// node:vm, at a hundred times the cost of a variable. So a module looks once.
import { readFileSync } from 'node:fs';
import { createTransformer } from '@swc/jest';

/** Of which no test, and no package, has one of its own; unlike the clock and the timers. */
const GLOBALS = [
  ...['Array', 'BigInt', 'Boolean', 'JSON', 'Map', 'Math', 'Number', 'Object', 'RegExp', 'Set', 'String'],
  ...['Error', 'RangeError', 'TypeError', 'Promise', 'Symbol', 'WeakMap'],
  ...['Buffer', 'DataView', 'Uint8Array', 'Infinity', 'NaN'],
].map((name) => ({
  name,
  used: new RegExp(`(?<![.\\w$])${name}\\b`),
  declared: new RegExp(
    `\\b(?:const|let|var|class|function)\\s+${name}\\b|^import\\b[^;]*\\b${name}\\b[^;]*\\bfrom\\b`,
    'm',
  ),
}));

/** On the first line: the others keep their numbers. */
function withGlobals(code) {
  const names = GLOBALS.filter(({ used, declared }) => used.test(code) && !declared.test(code));
  const list = names.map(({ name }) => name).join(', ');
  return names.length === 0 ? code : `const { ${list} } = globalThis; ${code}`;
}

const own = readFileSync(import.meta.filename, 'utf8');
const swc = createTransformer({ jsc: { target: 'es2023', parser: { syntax: 'typescript' } } });

export default {
  process(source, path, options) {
    // Modules of packages are JavaScript.
    const result = path.endsWith('.ts') ? swc.process(source, path, options) : { code: source };
    return { ...result, code: withGlobals(result.code) };
  },
  getCacheKey: (source, path, options) => swc.getCacheKey(own + source, path, options),
};
