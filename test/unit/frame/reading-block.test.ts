import { expect, test } from '@jest/globals';
import { BlockReader, blockOf } from '../../../src/core/ingest/table/reading-block.ts';
import { type TableOptions, compileTable } from '../../../src/core/ingest/table/table-mapping.ts';

const NOW_MS = Date.UTC(2026, 5, 1);
const options: TableOptions = {
  ...{ map: new Map(), ignore: new Set<string>(), timeUnit: 'auto' },
  ...{ maxPastUs: Infinity, maxFutureUs: Infinity },
};

/** What storing sees of rows, after they were passed from one thread to another. */
function passed(names: readonly string[], rows: readonly (readonly unknown[])[]) {
  const reader = compileTable({ names }, options);
  const block = structuredClone(blockOf({ names, rows, firstRow: 7, share: 0.5 }, reader, NOW_MS));
  const blockReader = new BlockReader(block);
  const results = rows.map((_, index) => {
    const result = blockReader.next(index);
    if (result === 'empty' || 'code' in result) return result;
    return { ...result, metrics: new Map(result.metrics) };
  });
  return { block, results, payloads: rows.map((_, index) => blockReader.payload(index)) };
}

const NAMES = ['time', 'sensor', 'location', 'temperature', 'co2'];
const ROWS = [
  ['2026-01-01T00:00:00Z', 'a', 'hall', '21.5', ''],
  ['2026-01-01T00:00:01Z', 'b', '', '', '400'],
  ['soon', 'b', '', '1', ''],
  ['2026-01-01T00:00:02Z', 'a', 'hall', '', ''],
  ['2026-01-01T00:00:03Z', 'a', 'yard', '-1', '401'],
  ['2026-01-01T00:00:04Z', 'a'],
];

test('the readings, refusals and empty rows of a chunk are those of its reader', () => {
  const reader = compileTable({ names: NAMES }, options);
  const { block, results } = passed(NAMES, ROWS);
  expect(
    results.map((result) =>
      typeof result === 'object' && 'code' in result ? { code: result.code, detail: result.detail } : result,
    ),
  ).toEqual(ROWS.map((row) => reader.read(row, NOW_MS * 1000)));
  expect([block.firstRow, block.rows, block.share, block.readAtMs]).toEqual([7, 6, 0.5, NOW_MS]);
});

test.each([
  ['of text', ROWS],
  ['of text that has the separators of the cells', [['2026-01-01', 'a\u001fb', '\u001e', '1', ''], ...ROWS]],
  [
    'of values',
    [
      [new Date(NOW_MS).toISOString(), 5n, null, 1.5, true],
      ['x', 'a', undefined, 'warm'],
    ],
  ],
])('a row %s is kept as its JSON, by the names of the columns', (_, rows) => {
  const plain = (value: unknown) => (typeof value === 'bigint' ? value.toString() : value);
  expect(passed(NAMES, rows).payloads).toEqual(
    rows.map((row) => JSON.stringify(Object.fromEntries(NAMES.map((name, at) => [name, plain(row[at])])))),
  );
});

test('the metrics of a row are a map: by name, in order, and no others', () => {
  const block = blockOf(
    { names: NAMES, rows: ROWS, firstRow: 1, share: 1 },
    compileTable({ names: NAMES }, options),
    NOW_MS,
  );
  const reader = new BlockReader(block);
  reader.next(0);
  const second = reader.next(1);
  if (second === 'empty' || 'code' in second) throw new Error('no reading');
  const { metrics } = second;
  const seen: unknown[] = [];
  metrics.forEach((value, name, map) => seen.push([name, value, map === metrics]));
  expect([
    metrics.size,
    metrics.get('co2'),
    metrics.has('co2'),
    metrics.get('temperature'),
    metrics.has('temperature'),
  ]).toEqual([1, 400, true, undefined, false]);
  expect([[...metrics], [...metrics.keys()], [...metrics.values()], seen]).toEqual([
    [['co2', 400]],
    ['co2'],
    [400],
    [['co2', 400, true]],
  ]);
});
