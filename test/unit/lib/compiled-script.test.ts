import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { compiledFile, loadScript } from '../../../src/lib/compiled-script.ts';

const SCRIPT = `
const { basename } = require('node:path');
exports.name = () => basename(__filename);
exports.later = async () => (await import('node:path')).basename(__dirname);
`;

let folder: string;
let file: string;
let texts = 10;
/** Writes scripts of one length, which is all that V8 compares, and each new to this process, which keeps what it has compiled. */
const write = () => writeFile(file, `${SCRIPT}// ${texts++}`);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fieldwatch-script-'));
  file = join(folder, 'script.cjs');
  await write();
});
afterEach(() => rm(folder, { recursive: true }));

interface Exports {
  name(): string;
  later(): Promise<string>;
}

test('a script without compiled code is compiled', async () => {
  const { exports, wasCompiled } = loadScript(file);
  expect((exports as Exports).name()).toBe('script.cjs');
  expect(folder.endsWith(await (exports as Exports).later())).toBe(true);
  expect(wasCompiled).toBe(false);
});

test('its compiled code is taken, and does the same', async () => {
  const first = loadScript(file);
  (first.exports as Exports).name();
  await writeFile(compiledFile(file), first.compiled());
  await write();
  const { exports, wasCompiled } = loadScript(file);
  expect(wasCompiled).toBe(true);
  expect((exports as Exports).name()).toBe('script.cjs');
});

test('compiled code belongs to the options of Node that it was compiled with', async () => {
  const options = '--max-semi-space-size=4  --no-opt';
  expect(compiledFile(file, options)).toBe(`${compiledFile(file)}--max-semi-space-size=4_--no-opt`);
  await writeFile(compiledFile(file, options), loadScript(file).compiled());
  await write();
  expect(loadScript(file).wasCompiled).toBe(false);
  await write();
  expect(loadScript(file, options).wasCompiled).toBe(true);
});

test.each([
  ['of another V8', (code: Buffer) => code.fill(7, 4, 8)],
  ['that is cut', (code: Buffer) => code.subarray(0, code.length >> 1)],
  ['that is empty', () => Buffer.alloc(0)],
])('compiled code %s is no fault', async (_, spoil) => {
  await writeFile(compiledFile(file), loadScript(file).compiled());
  await writeFile(compiledFile(file), spoil(await readFile(compiledFile(file))));
  await write();
  const { exports, wasCompiled } = loadScript(file);
  expect(wasCompiled).toBe(false);
  expect((exports as Exports).name()).toBe('script.cjs');
});
