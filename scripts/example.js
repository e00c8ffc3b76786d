// Runs a file of examples/ as it stands, on any Node: `npm run example monitoring-service`.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = new URL('../', import.meta.url);
const [name = 'monitoring-service', ...args] = process.argv.slice(2);
const typed = new URL(`examples/${name}.ts`, root);
const source = existsSync(typed) ? typed : new URL(`examples/${name}.js`, root);
const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), {
  compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
});
mkdirSync(new URL('dist/examples/', root), { recursive: true });
const file = new URL(`dist/examples/${name}.js`, root);
writeFileSync(file, outputText);
const child = spawn(process.execPath, [fileURLToPath(file), ...args], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.once('exit', (code) => (process.exitCode = code ?? 1));
