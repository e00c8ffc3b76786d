import { transformSync as stripTypes } from '@swc/wasm-typescript';
import { transformSync } from 'esbuild';

/** `using name = …`, which Node 20 cannot parse. */
const USES_RESOURCES = /^\s*(?:await )?using \w+ =/m;

/** JavaScript of TypeScript: the types are taken away in place, so lines and columns of a stack are those of the source. */
export function javaScriptOf(source, filename) {
  const { code } = USES_RESOURCES.test(source)
    ? transformSync(source, { loader: 'ts', target: 'node20' })
    : stripTypes(source, { mode: 'strip-only', filename });
  return code;
}
