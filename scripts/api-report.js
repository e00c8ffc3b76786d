// Holds the public face of the library to docs/api/fieldwatch.api.md, the report that a review accepts: `npm run check` fails on a
// difference, `npm run api:accept` writes it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { writeDeclarations } from './declarations.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const accepts = process.argv.includes('--accept');
const REPORT = 'docs/api/fieldwatch.api.md';

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

if (apiReportChanged && !accepts)
  process.stderr.write(
    `api: the face of the library is not that of ${REPORT}\n  remedy: npm run api:accept, and review its difference; it is what a version number promises\n`,
  );
else if (accepts) process.stdout.write(`api: ${REPORT} written\n`);
process.exitCode = succeeded && !(apiReportChanged && !accepts) ? 0 : 1;
