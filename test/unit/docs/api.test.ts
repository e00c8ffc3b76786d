import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { RESOURCES } from '../../../src/api/resource/index.ts';
import type { AnyResource } from '../../../src/api/resource/resource.ts';
import * as z from '../../../src/core/schema/zod.ts';

const text = readFileSync(join(import.meta.dirname, '../../../docs/api.md'), 'utf8');

/** The row of a resource in the table of docs/api.md; what is missing there is printed here as it is to be written. */
function rowOf({ method, path, query, body, role, summary }: AnyResource): string {
  const names = (schema: z.ZodType | undefined): string[] =>
    schema instanceof z.ZodObject ? Object.keys(schema.shape).map((name) => `\`${name}\``) : [];
  const place = `\`${method} ${path.replace(/:(\w+)/g, '{$1}')}\``;
  return `| ${place} | ${role} | ${summary} | ${[...names(query), ...names(body)].join(', ')} |`;
}

test('the reference has every resource, and no other', () => {
  const rows = text.split('\n').filter((line) => /^\| `(?:GET|POST|PUT|DELETE) /.test(line));
  expect(rows).toEqual(RESOURCES.map(rowOf));
});
