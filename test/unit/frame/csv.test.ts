import { expect, test } from '@jest/globals';
import { inertCsvHeader, inertCsvOf } from '../../../src/core/frame/csv.ts';
import type { Frame } from '../../../src/core/frame/frame.ts';

const frame: Frame = {
  columns: [
    { name: 'time', type: 'timestamp' },
    { name: 'sensor', type: 'text' },
    { name: '=1+1', type: 'double' },
    { name: 'count', type: 'int64' },
    { name: 'bytes', type: 'binary' },
  ],
  rows: 2,
  data: [
    { values: new BigInt64Array([-1n, 1_500_001n]), nulls: undefined },
    { values: ['=cmd("x"),1', null], nulls: new Uint8Array([0, 1]) },
    { values: new Float64Array([-1.5, 0]), nulls: new Uint8Array([0, 1]) },
    { values: new BigInt64Array([7n, -8n]), nulls: undefined },
    { values: [new Uint8Array([255, 0]), null], nulls: new Uint8Array([0, 1]) },
  ],
};

test('lines for a spreadsheet: times in UTC, empty cells for nulls, numbers as they are, texts that are no formulas', () => {
  expect(inertCsvHeader(frame.columns.map(({ name }) => name))).toBe("time,sensor,'=1+1,count,bytes\n");
  expect(inertCsvOf(frame)).toBe(
    `1969-12-31T23:59:59.999999Z,"'=cmd(""x""),1",-1.5,7,ff00\n1970-01-01T00:00:01.500001Z,,,-8,\n`,
  );
});
