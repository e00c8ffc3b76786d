import { describe, expect, test } from '@jest/globals';
import { InvalidArgumentError } from 'commander';
import { durationArgument, momentArgument, numeric, repeated } from '../../../src/cli/arguments.ts';
import { formatShortTime } from '../../../src/cli/output/format.ts';
import { jsonLine } from '../../../src/cli/output/rows.ts';
import { type Column, cellText, csvCell, csvLines, tableLines } from '../../../src/cli/output/table.ts';
import { createPaint, cutCells } from '../../../src/cli/output/terminal.ts';

interface Row {
  readonly name: string | null;
  readonly value: number | null;
}
const COLUMNS: readonly Column<Row>[] = [
  { title: 'name', value: (row) => row.name },
  { title: 'value', value: (row) => row.value },
];

describe('tables', () => {
  test('columns are as wide as their widest cell, numbers to the right', () => {
    const rows = [
      { name: 'a', value: 1 },
      { name: 'bcdef', value: 12.3456 },
      { name: null, value: null },
    ];
    expect(tableLines(COLUMNS, rows, createPaint(false))).toEqual([
      'name    value',
      'a           1',
      'bcdef  12.346',
      '-           -',
    ]);
  });

  test('columns that may leave do so where a terminal is too narrow, the least first', () => {
    const columns: readonly Column<Row>[] = [
      { title: 'a', value: () => 'xxxxxxxx', leaves: 2 },
      { title: 'b', value: () => 'yyyyyyyy', leaves: 1 },
      { title: 'c', value: () => 'zzzzzzzz' },
    ];
    const titles = (width: number) =>
      tableLines(columns, [{ name: null, value: null }], createPaint(false), width)[0]?.split(/ +/);
    expect([titles(28), titles(27), titles(17), titles(3)]).toEqual([
      ['a', 'b', 'c'],
      ['a', 'c'],
      ['c'],
      ['c'],
    ]);
  });

  test('cells become narrow before a column leaves', () => {
    const columns: readonly Column<Row>[] = [
      { title: 'a', value: () => 'long text', narrow: () => 'short' },
      { title: 'b', value: () => 'yyyy', leaves: 1 },
    ];
    const body = (width: number) =>
      tableLines(columns, [{ name: null, value: null }], createPaint(false), width)[1];
    expect([body(15), body(14), body(10)]).toEqual(['long text  yyyy', 'short  yyyy', 'short']);
  });

  test('a time in few cells', () => {
    const nowMs = Date.UTC(2026, 1, 1, 12);
    const short = (ms: number) => formatShortTime(new Date(ms), nowMs);
    expect([short(nowMs - 1000), short(nowMs - 10 * 86_400_000), short(nowMs - 40 * 86_400_000)]).toEqual([
      '11:59:59Z',
      '01-22 12:00Z',
      '2025-12-23',
    ]);
  });

  test('a line that is cut keeps its colours whole', () => {
    expect(cutCells(createPaint(true).red('abcdef'), 4)).toBe('\u001b[31mabc\u001b[39m…');
    expect(cutCells('abcd', 4)).toBe('abcd');
  });

  test.each<[unknown, string]>([
    [null, '-'],
    ['', '-'],
    [[], '-'],
    [['a', 'b'], 'a, b'],
    [new Date(0), '1970-01-01 00:00:00Z'],
    [0.1 + 0.2, '0.3'],
    [true, 'true'],
    ['a\u001b[31m', 'a\\u{1b}[31m'],
  ])('a cell of %j is %s', (value, expected) => {
    expect(cellText(value)).toBe(expected);
  });
});

describe('CSV', () => {
  test.each<[unknown, string]>([
    [null, ''],
    [-1.5, '-1.5'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    ['a,b', '"a,b"'],
    ['say "x"\n', '"say ""x""\n"'],
    ['=1+1', "'=1+1"],
    ['@x', "'@x"],
    [['a', 'b'], 'a b'],
  ])('a cell of %j is %s', (value, expected) => {
    expect(csvCell(value)).toBe(expected);
  });

  test('has its header also when empty', () => {
    expect(csvLines(COLUMNS, [])).toEqual(['name,value']);
  });
});

test('JSON names its fields as the database does', () => {
  expect(jsonLine({ alertId: 1, receivedAt: new Date(0), sensor: 'aB' })).toBe(
    '{"alert_id":1,"received_at":"1970-01-01T00:00:00.000Z","sensor":"aB"}',
  );
});

describe('arguments', () => {
  const NOW = Date.UTC(2026, 0, 31, 12);

  test.each([
    ['24h', '2026-01-30T12:00:00.000Z'],
    ['1h30m', '2026-01-31T10:30:00.000Z'],
    ['2026-01-02', '2026-01-02T00:00:00.000Z'],
    ['2026-01-02T03:04', '2026-01-02T03:04:00.000Z'],
    ['2026-01-02 03:04:05', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04+02:00', '2026-01-02T01:04:00.000Z'],
    ['2026-01-02T03:04:05.5Z', '2026-01-02T03:04:05.500Z'],
  ])('the moment %s', (text, expected) => {
    expect(momentArgument(text)(NOW).toISOString()).toBe(expected);
  });

  test.each(['', 'yesterday', '2026-13-01', '2026-01-02T25:00', '2026', '1700000000'])(
    'no moment: %j',
    (text) => {
      expect(() => momentArgument(text)).toThrow(InvalidArgumentError);
    },
  );

  test('numbers, durations and repeated options', () => {
    expect(numeric(1, 10)('10')).toBe(10);
    for (const text of ['', ' ', '0', '11', '1.5', 'x', 'NaN'])
      expect(() => numeric(1, 10)(text)).toThrow(InvalidArgumentError);
    expect(numeric(0, 1, false)('0.5')).toBe(0.5);
    expect(durationArgument('5m')).toBe(300_000);
    for (const text of ['0', '5', 'x']) expect(() => durationArgument(text)).toThrow(InvalidArgumentError);
    expect(repeated('b', repeated('a'))).toEqual(['a', 'b']);
  });
});
