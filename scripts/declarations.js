// Writes the declarations of the library: of the files that its public face names, and of nothing else. Each is made from its own
// text (isolated declarations), because the compiler would check all of src/ for it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));

/** `AsyncDisposable` is younger than the targets of most projects. */
const LIBS = '/// <reference lib="esnext.disposable" />\n';

const IMPORTS = /\b(?:from|import) ?\(?'(\.[^']+)\.ts'/g;

function declarationOf(file) {
  const { outputText, diagnostics = [] } = ts.transpileDeclaration(
    readFileSync(join(root, 'src', file), 'utf8'),
    {
      fileName: file,
      reportDiagnostics: true,
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.NodeNext,
        declaration: true,
        isolatedDeclarations: true,
        strict: true,
      },
    },
  );
  const faults = diagnostics.map(({ messageText, file: at, start }) => {
    const line =
      at === undefined || start === undefined ? '' : `:${at.getLineAndCharacterOfPosition(start).line + 1}`;
    return `src/${file}${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
  if (faults.length > 0) throw new Error(`declarations: ${faults.join('\n')}`);
  return outputText;
}

/** The entry and all files that its declarations import, by name. */
export function declarationsOf(entry) {
  const found = new Map();
  const visit = (file) => {
    if (found.has(file)) return;
    const text = declarationOf(file);
    found.set(file, '');
    for (const [, target] of text.matchAll(IMPORTS)) visit(posix.join(posix.dirname(file), `${target}.ts`));
    found.set(
      file,
      (file === entry ? LIBS : '') + text.replaceAll(IMPORTS, (whole) => whole.replace(/\.ts'$/, ".js'")),
    );
  };
  visit(entry);
  return found;
}

/** Into a folder, as the compiler names them. */
export function writeDeclarations(entry, folder) {
  for (const [file, text] of declarationsOf(entry)) {
    const path = join(folder, file.replace(/\.ts$/, '.d.ts'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

/** The tables have inferred types, which only the compiler knows. They import nothing of ours. */
function writeTables(folder) {
  const program = ts.createProgram(
    ['drizzle', 'kysely'].map((name) => join(root, `src/orm/${name}.ts`)),
    {
      ...{ target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.NodeNext, strict: true, skipLibCheck: true },
      ...{
        declaration: true,
        emitDeclarationOnly: true,
        noEmitOnError: true,
        types: [],
        allowImportingTsExtensions: true,
      },
      ...{ rootDir: join(root, 'src'), outDir: folder },
    },
  );
  const { emitSkipped } = program.emit(undefined, (path, text) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(
      path,
      text.replaceAll(IMPORTS, (whole) => whole.replace(/\.ts'$/, ".js'")),
    );
  });
  if (emitSkipped)
    throw new Error(
      ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), {
        getCanonicalFileName: (name) => name,
        getCurrentDirectory: () => root,
        getNewLine: () => '\n',
      }),
    );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const entry of ['index.ts', 'frame.ts']) writeDeclarations(entry, join(root, 'dist'));
  writeTables(join(root, 'dist'));
}
