import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readBlocks } from '../../../src/app/import/blocks-in-thread.ts';
import { type BlockSourceFile, blocksOf } from '../../../src/app/import/read-blocks.ts';
import type { ReadingBlock } from '../../../src/core/ingest/table/reading-block.ts';
import { eventually } from '../../support/eventually.ts';

const ROWS = 150_000;
let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fieldwatch-blocks-'));
  path = join(folder, 'readings.csv');
  const lines = Array.from(
    { length: ROWS },
    (_, n) => `${1_760_000_000 + n},sensor-${n % 50},${n % 7 === 0 ? '' : n}`,
  );
  await writeFile(path, `time,sensor,temperature\n${lines.join('\n')}`);
});
afterAll(() => rm(folder, { recursive: true }));

const file = (more: Partial<BlockSourceFile> = {}): BlockSourceFile => ({
  ...{ path, format: 'csv', done: 0 },
  table: {
    ...{ map: new Map(), ignore: new Set<string>(), timeUnit: 'auto' },
    ...{ maxPastUs: Infinity, maxFutureUs: Infinity },
  },
  ...more,
});
const live = () => new AbortController().signal;

async function all(blocks: AsyncIterable<ReadingBlock>): Promise<readonly Omit<ReadingBlock, 'readAtMs'>[]> {
  const found = [];
  for await (const { readAtMs, ...block } of blocks) found.push({ ...block, read: readAtMs > 0 });
  return found;
}

test('a thread gives what the reader itself gives, from the row on that is not stored yet', async () => {
  const given = file({ done: ROWS - 10 });
  expect(await all(readBlocks(given, live()))).toEqual(await all(blocksOf(given)));
  const blocks = await all(readBlocks(file(), live()));
  expect(blocks.length).toBeGreaterThan(3);
  expect(blocks.reduce((sum, { rows }) => sum + rows, 0)).toBe(ROWS);
});

test('a reader that leaves ends the thread', async () => {
  const blocks = readBlocks(file(), live());
  let received = 0;
  for await (const block of blocks) {
    received += block.rows;
    break;
  }
  expect(received).toBeGreaterThan(0);
  expect(received).toBeLessThan(ROWS);
  expect((await blocks.next()).done).toBe(true);
});

test('faults of file and columns are those of the reader, with their remedy', async () => {
  const missing = file({ path: join(folder, 'missing.csv') });
  await expect(all(readBlocks(missing, live()))).rejects.toMatchObject({
    code: 'IMPORT_UNREADABLE',
    kind: 'data',
  });
  const unmapped = file({ table: { ...file().table, ignore: new Set(['time']) } });
  await expect(all(readBlocks(unmapped, live()))).rejects.toMatchObject({
    ...{ code: 'IMPORT_MAP', kind: 'config' },
    remedy: expect.stringContaining('--map time=COLUMN'),
  });
});

test('an abort ends it with its reason, also while it waits', async () => {
  const abort = new AbortController();
  const blocks = readBlocks(file(), abort.signal);
  let ended: unknown;
  const reading = (async () => {
    for await (const block of blocks) expect(block.rows).toBeGreaterThan(0);
  })().catch((error: unknown) => (ended = error));
  abort.abort(new Error('Ctrl-C'));
  await reading;
  await eventually('it ends', () => ended !== undefined);
  expect(ended).toEqual(new Error('Ctrl-C'));
});
