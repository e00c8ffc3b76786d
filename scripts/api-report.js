// Holds the public face of each entry of the library to its report in docs/api, which a review accepts, and the reference for readers
// to its comments: `npm run check` fails on a difference, `npm run api:accept` writes them.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import * as prettier from 'prettier';
import { Application } from 'typedoc';
import { writeDeclarations } from './declarations.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const accepts = process.argv.includes('--accept');
const ENTRIES = [
  { entry: 'index', report: 'fieldwatch', title: 'fieldwatch', reference: 'docs/api/reference.md' },
  { entry: 'frame', report: 'fieldwatch-frame', title: 'fieldwatch/frame', reference: 'docs/api/frame.md' },
];

// Not below node_modules: what lies there is another package's, and only named in a report.
const work = mkdtempSync(join(tmpdir(), 'fieldwatch-api-'));
process.once('exit', () => rmSync(work, { recursive: true }));
const types = join(work, 'types');
mkdirSync(join(root, 'docs/api'), { recursive: true });
for (const { entry } of ENTRIES) writeDeclarations(`${entry}.ts`, types);
writeFileSync(join(work, 'package.json'), readFileSync(join(root, 'package.json')));
// What an entry names of another package is found there.
symlinkSync(join(root, 'node_modules'), join(work, 'node_modules'));
const compilerOptions = {
  ...{ target: 'es2023', module: 'nodenext', lib: ['es2023', 'esnext.disposable'], types: [], strict: true },
  skipLibCheck: true,
};

const extracted = ({ entry, report }) =>
  Extractor.invoke(
    ExtractorConfig.prepare({
      configObjectFullPath: undefined,
      packageJsonFullPath: join(work, 'package.json'),
      configObject: {
        projectFolder: work,
        mainEntryPointFilePath: join(types, `${entry}.d.ts`),
        newlineKind: 'lf',
        compiler: {
          overrideTsconfig: { compilerOptions, files: [join(types, `${entry}.d.ts`)] },
        },
        apiReport: {
          enabled: true,
          reportFolder: join(root, 'docs/api'),
          reportTempFolder: join(work, 'temp'),
          reportFileName: report,
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
            // Types of the first entry, which is the one that exports them.
            ...(entry === 'index' ? {} : { 'ae-forgotten-export': { logLevel: 'none' } }),
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
async function referenceOf({ entry, title, reference }) {
  writeFileSync(
    join(work, `tsconfig-${entry}.json`),
    JSON.stringify({ compilerOptions, files: [`types/${entry}.d.ts`] }),
  );
  const app = await Application.bootstrapWithPlugins({
    // It writes into this folder, and empties it first by default.
    ...{ out: join(work, `reference-${entry}`), cleanOutputDir: false },
    ...{ name: title, plugin: ['typedoc-plugin-markdown'], logLevel: 'Warn', readme: 'none' },
    ...{
      tsconfig: join(work, `tsconfig-${entry}.json`),
      entryPoints: [join(types, `${entry}.d.ts`)],
      disableSources: true,
    },
    ...{ hideBreadcrumbs: true, hidePageHeader: true, outputFileStrategy: 'modules', useCodeBlocks: true },
    ...{ parametersFormat: 'table', interfacePropertiesFormat: 'table' },
  });
  const project = await app.convert();
  if (project === undefined) throw new Error('api: TypeDoc cannot read the declarations');
  await app.generateOutputs(project);
  const text = readFileSync(join(work, `reference-${entry}/README.md`), 'utf8');
  return prettier.format(text, {
    ...(await prettier.resolveConfig(join(root, reference))),
    parser: 'markdown',
  });
}

let faults = 0;
for (const face of ENTRIES) {
  const { succeeded, apiReportChanged } = extracted(face);
  const report = `docs/api/${face.report}.api.md`;
  const made = await referenceOf(face);
  const path = join(root, face.reference);
  if (accepts) writeFileSync(path, made);
  const isCurrent = existsSync(path) && made === readFileSync(path, 'utf8');
  if (!isCurrent)
    process.stderr.write(
      `api: ${face.reference} is not what the comments say\n  remedy: npm run api:accept\n`,
    );
  if (apiReportChanged && !accepts)
    process.stderr.write(
      `api: the face of ${face.title} is not that of ${report}\n  remedy: npm run api:accept, and review its difference; it is what a version number promises\n`,
    );
  else if (accepts) process.stdout.write(`api: ${report} and ${face.reference} written\n`);
  if (!succeeded || !isCurrent || (apiReportChanged && !accepts)) faults++;
}
process.exitCode = faults === 0 ? 0 : 1;
