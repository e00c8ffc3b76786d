// Writes dist/web: the page as the daemon serves it, with what brotli and gzip make of each file beside it.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { licences } from './licences.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'dist/web');
const COMPRESSIBLE = /\.(?:html|js|css|svg|webmanifest)$/;

/** Undefined where its bundler has no binary for this machine, or was not installed (`npm ci --omit=optional`). */
async function builder() {
  try {
    return (await import('vite')).build;
  } catch {
    return undefined;
  }
}

function compress(file) {
  const content = readFileSync(file);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
  };
  writeFileSync(`${file}.br`, brotliCompressSync(content, { params }));
  writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
}

const build = await builder();
if (build === undefined) process.stderr.write('web: no Vite here; the daemon runs without its page\n');
else {
  const { output } = await build({ configFile: join(root, 'vite.config.js'), logLevel: 'warn' });
  const inputs = output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []));
  writeFileSync(join(out, 'LICENSES.txt'), licences(inputs));
  for (const file of readdirSync(out, { recursive: true, encoding: 'utf8' }))
    if (COMPRESSIBLE.test(file)) compress(join(out, file));
}
