import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../../../src');
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

/** TimescaleDB 2.29 identifies a chunk by its relation: the catalog has no names of chunks, and no compressed twins. */
test('no query reads columns that a supported TimescaleDB has not', () => {
  const found = sources.filter((file) =>
    /_timescaledb_catalog\.chunk\b/.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(found).toEqual([]);
  expect(sources.length).toBeGreaterThan(300);
});
