// Writes dist/main.js, dist/index.js and dist/bundle/: the program and the library in a few files, because loading five hundred takes Node longer than running
// them. The single files that the compiler has written stay beside it, for the processes that are started from them.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import ts from 'typescript';
import { DEFINED, SHARED, bundleModules, bundler, path } from './bundler.js';
import { licences } from './licences.js';

const [, UNIT_OPTIONS] = /^Environment=NODE_OPTIONS=(.+)$/m.exec(
  readFileSync(path('systemd/fieldwatch.service'), 'utf8'),
);

async function bundle(esbuild) {
  const entryPoints = { program: 'src/cli/index.ts', index: 'src/index.ts', frame: 'src/frame.ts' };
  const metafile = await bundleModules(esbuild, entryPoints, 'dist/bundle');
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
export const { runProgram } = loadScript(join(import.meta.dirname, '${basename(script)}'), process.env.NODE_OPTIONS).exports;`,
      resolveDir: path(''),
    },
  });
  // In a shell, and as the unit and the image start a process.
  for (const nodeOptions of ['', UNIT_OPTIONS])
    execFileSync(process.execPath, [path('scripts/compile-ahead.js'), path(script)], {
      stdio: 'inherit',
      env: { ...process.env, NODE_OPTIONS: nodeOptions },
    });
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
