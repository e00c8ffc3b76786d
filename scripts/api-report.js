// Holds the public face of the library to docs/api/fieldwatch.api.md, the report that a review accepts, and the reference for readers,
// docs/api/reference.md, to its comments: `npm run check` fails on a difference, `npm run api:accept` writes both.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import * as prettier from 'prettier';
import { Application } from 'typedoc';
import { writeDeclarations } from './declarations.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const accepts = process.argv.includes('--accept');
const REPORT = 'docs/api/fieldwatch.api.md';
const REFERENCE = 'docs/api/reference.md';

// Not below node_modules: what lies there is another package's, and only named in a report.
const work = mkdtempSync(join(tmpdir(), 'fieldwatch-api-'));
process.once('exit', () => rmSync(work, { recursive: true }));
const types = join(work, 'types');
mkdirSync(join(root, 'docs/api'), { recursive: true });
writeDeclarations('index.ts', types);
writeFileSync(join(work, 'package.json'), readFileSync(join(root, 'package.json')));

const { succeeded, apiReportChanged } = Extractor.invoke(
  ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(work, 'package.json'),
    configObject: {
      projectFolder: work,
      mainEntryPointFilePath: join(types, 'index.d.ts'),
      newlineKind: 'lf',
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            target: 'es2023',
            module: 'nodenext',
            lib: ['es2023', 'esnext.disposable'],
            types: [],
            strict: true,
          },
          files: [join(types, 'index.d.ts')],
        },
      },
      apiReport: {
        enabled: true,
        reportFolder: join(root, 'docs/api'),
        reportTempFolder: join(work, 'temp'),
        reportFileName: 'fieldwatch',
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: 'error' } },
        extractorMessageReporting: {
          default: { logLevel: 'error' },
          // No part of the face is for some consumers only.
          'ae-missing-release-tag': { logLevel: 'none' },
          // Names that say what they are have no sentence.
          'ae-undocumented': { logLevel: 'none' },
        },
      },
    },
  }),
  { localBuild: accepts, showVerboseMessages: false, messageCallback: quiet },
);

function quiet(message) {
  if (message.messageId === 'console-api-report-created' || message.messageId === 'console-preamble')
    message.handled = true;
}

/** By TypeDoc, in one file. */
async function reference() {
  writeFileSync(
    join(work, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        ...{
          target: 'es2023',
          module: 'nodenext',
          lib: ['es2023', 'esnext.disposable'],
          types: [],
          strict: true,
        },
      },
      files: ['types/index.d.ts'],
    }),
  );
  const app = await Application.bootstrapWithPlugins({
    // It writes into this folder, and empties it first by default.
    ...{ out: join(work, 'reference'), cleanOutputDir: false },
    ...{ name: 'fieldwatch', plugin: ['typedoc-plugin-markdown'], logLevel: 'Warn', readme: 'none' },
    ...{
      tsconfig: join(work, 'tsconfig.json'),
      entryPoints: [join(types, 'index.d.ts')],
      disableSources: true,
    },
    ...{ hideBreadcrumbs: true, hidePageHeader: true, outputFileStrategy: 'modules', useCodeBlocks: true },
    ...{ parametersFormat: 'table', interfacePropertiesFormat: 'table' },
  });
  const project = await app.convert();
  if (project === undefined) throw new Error('api: TypeDoc cannot read the declarations');
  await app.generateOutputs(project);
  const text = readFileSync(join(work, 'reference/README.md'), 'utf8');
  return prettier.format(text, {
    ...(await prettier.resolveConfig(join(root, REFERENCE))),
    parser: 'markdown',
  });
}

const made = await reference();
if (accepts) writeFileSync(join(root, REFERENCE), made);
const isCurrent = made === readFileSync(join(root, REFERENCE), 'utf8');
if (!isCurrent)
  process.stderr.write(`api: ${REFERENCE} is not what the comments say\n  remedy: npm run api:accept\n`);

if (apiReportChanged && !accepts)
  process.stderr.write(
    `api: the face of the library is not that of ${REPORT}\n  remedy: npm run api:accept, and review its difference; it is what a version number promises\n`,
  );
else if (accepts) process.stdout.write(`api: ${REPORT} and ${REFERENCE} written\n`);
process.exitCode = succeeded && isCurrent && !(apiReportChanged && !accepts) ? 0 : 1;
