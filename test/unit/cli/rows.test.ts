import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import { limited } from '../../../src/cli/output/rows.ts';

const cliOf = () => {
  const said: string[] = [];
  const stderr = new PassThrough().on('data', (chunk: Buffer) => said.push(chunk.toString()));
  return { cli: { stderr, invocation: 'fieldwatch' }, said };
};
const ROWS = [1, 2, 3, 4];
const read = async (limit: number | undefined) => ROWS.slice(0, limit);

test('a list that is cut at the default says so, and how to have all of it', async () => {
  const { cli, said } = cliOf();
  expect(await limited(cli, { limit: { rows: 3, given: false } }, read, 'readings')).toEqual([1, 2, 3]);
  expect(said.join('')).toBe(
    'fieldwatch: cut at 3 rows: there are more; --limit 0 and `fieldwatch export readings` have all of them\n',
  );
});

test('without a dataset of export, --limit 0 has the others', async () => {
  const { cli, said } = cliOf();
  await limited(cli, { limit: { rows: 1, given: false } }, read);
  expect(said.join('')).toBe('fieldwatch: cut at 1 rows: there are more; --limit 0 has all of them\n');
});

test.each([
  ['the default, which nothing exceeds', { rows: 4, given: false }, 4],
  ['a limit that was asked for', { rows: 2, given: true }, 2],
  ['no limit', { rows: undefined, given: true }, 4],
])('%s: nothing is said', async (_, limit, rows) => {
  const { cli, said } = cliOf();
  expect(await limited(cli, { limit }, read)).toHaveLength(rows);
  expect(said).toEqual([]);
});
