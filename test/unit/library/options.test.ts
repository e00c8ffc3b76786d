import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import { arrowTableOf } from '../../../src/adapters/frame/arrow-reader.ts';
import { readTable } from '../../../src/adapters/frame/table-reader.ts';
import { analyzeWith } from '../../../src/library/analyze.ts';
import { evaluate } from '../../../src/library/evaluate.ts';
import { openMonitor } from '../../../src/library/monitor.ts';
import { msOf, timeOf } from '../../../src/library/time.ts';

describe('a limit that is no number does not remove the limit', () => {
  test.each([NaN, Infinity, -Infinity])('%p', async (max) => {
    const rules = { metrics: { temperature: { max } } };
    expect(() => evaluate(rules, [])).toThrow(/temperature\.max/);
    await expect(openMonitor({ database: 'postgres://h/x', alerts: rules })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });
});

describe('words and numbers of analyses', () => {
  const queries: string[] = [];
  const db = {
    query: (text: string) => {
      queries.push(text);
      return Promise.resolve({ rows: [] });
    },
  };
  const analyze = analyzeWith(db, () => 1000);
  const chosen = { metric: 'temperature', from: 0 };
  const cases: [string, () => Promise<unknown>][] = [
    ['outliers, method', () => analyze.outliers({ ...chosen, method: 'Z' as 'z' })],
    ['outliers, threshold', () => analyze.outliers({ ...chosen, threshold: NaN })],
    ['outliers, minValues', () => analyze.outliers({ ...chosen, minValues: -1 })],
    ['pattern, of', () => analyze.pattern({ ...chosen, of: 'year' as 'week' })],
    ['resample, method', () => analyze.resample({ ...chosen, method: 'avg' as 'mean', bucket: '1h' })],
    ['resample, fill', () => analyze.resample({ ...chosen, fill: 'locf' as 'previous' })],
    ['correlate, of', () => analyze.correlate({ from: 0, of: 'rooms' as 'sensors' })],
    ['correlate, method', () => analyze.correlate({ from: 0, method: 'kendall' as 'pearson' })],
    ['missing, factor', () => analyze.missing({ ...chosen, factor: NaN })],
  ];
  test.each(cases)('%s', async (_, call) => {
    await expect(call()).rejects.toMatchObject({ code: 'ANALYZE_INVALID', kind: 'data' });
    expect(queries).toEqual([]);
  });
});

describe('times', () => {
  test.each([{}, [], true, 5n, Symbol('t'), null, undefined, 'yesterday'])('%p is no time', (given) => {
    expect(msOf(given as Date)).toBeNaN();
    expect(() => timeOf(given as Date, 'from')).toThrow(expect.objectContaining({ code: 'TIME_INVALID' }));
  });
});

describe('Arrow IPC in memory', () => {
  const table = tableFromArrays({ a: Float64Array.of(1, 2, 3) });
  test('a file and a stream', () => {
    for (const kind of ['file', 'stream'] as const)
      expect(arrowTableOf(tableToIPC(table, kind)).numRows).toBe(3);
  });

  test('a part of a file, other bytes and none are errors, not a table without rows', () => {
    const file = tableToIPC(table, 'file');
    for (const bytes of [file.subarray(0, file.length - 10), Uint8Array.of(1, 2, 3), new Uint8Array()])
      expect(() => arrowTableOf(bytes)).toThrow();
  });

  test('an empty file is no file without rows', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fieldwatch-arrow-'));
    const path = join(folder, 'empty.arrow');
    await writeFile(path, '');
    await expect(readTable(path, 'arrow').next()).rejects.toMatchObject({ code: 'IMPORT_UNREADABLE' });
    await rm(folder, { recursive: true });
  });
});
