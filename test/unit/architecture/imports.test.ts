import { readFileSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../../../src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file));

/** What a file imports of this project, types included: `import … from`, `export … from` and `import(…)`. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [
    ...text.matchAll(/(?:^|\n)(?:import|export)\b[^;]*?\bfrom '(\.[^']+)'|\bimport\('(\.[^']+)'\)/g),
  ].map(([, from, dynamic]) => posix.normalize(posix.join(posix.dirname(file), (from ?? dynamic)!)));
}

const graph = new Map(files.map((file) => [file, importsOf(file)]));

/** Strongly connected components of more than one file (Tarjan). */
function circles(): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): void => {
    index.set(file, index.size);
    low.set(file, index.get(file)!);
    stack.push(file);
    for (const next of graph.get(file) ?? []) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(file, Math.min(low.get(file)!, low.get(next)!));
    }
    if (low.get(file) !== index.get(file)) return;
    const circle = stack.splice(stack.indexOf(file));
    if (circle.length > 1) found.push(circle.sort());
  };
  for (const file of files) if (!index.has(file)) visit(file);
  return found;
}

interface Layers {
  readonly folders: Readonly<Record<string, readonly string[]>>;
  /** Files beside `main.ts`, which may import all. */
  readonly files: Readonly<Record<string, readonly string[]>>;
}

const { folders, files: entries } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'layers.json'), 'utf8'),
) as Layers;
/** What a layer may import, besides itself. The linter reads the same file. */
const ALLOWED = { ...folders, ...entries };

test('every import names a file', () => {
  expect(
    [...graph].flatMap(([file, imports]) =>
      imports.filter((one) => !graph.has(one)).map((one) => [file, one]),
    ),
  ).toEqual([]);
  expect(files.length).toBeGreaterThan(300);
});

test('no file imports itself by way of others', () => {
  expect(circles()).toEqual([]);
});

test('the page has the types of the contract and nothing else', () => {
  const wrong = files
    .filter((file) => file.startsWith('web/'))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const outside = importsOf(file).filter((one) => !one.startsWith('web/'));
      const typesOnly = [...text.matchAll(/(?:^|\n)import type\b[^;]*?\bfrom '(\.[^']+)'/g)].map(([, from]) =>
        posix.normalize(posix.join(posix.dirname(file), from!)),
      );
      return outside
        .filter((one) => !one.startsWith('api/contract/') || !typesOnly.includes(one))
        .map((one) => `${file} -> ${one}`);
    });
  expect(wrong).toEqual([]);
});

test('imports go one way: core, lib and ports import nothing above them; services and adapters do not know each other', () => {
  const layerOf = (file: string) =>
    file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace('.ts', '');
  const wrong = [...graph].flatMap(([file, imports]) => {
    const layer = layerOf(file);
    if (layer === 'main') return [];
    expect(Object.keys(ALLOWED)).toContain(layer);
    return imports
      .filter((one) => layerOf(one) !== layer && !ALLOWED[layer]!.includes(layerOf(one)))
      .map((one) => `${file} -> ${one}`);
  });
  expect(wrong).toEqual([]);
});
