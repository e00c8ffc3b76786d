import { expect, test } from '@jest/globals';
import { csvOf } from '../../../src/web/plot/csv.ts';

const readings = (sensor: string, metric: string) => ({
  sensor,
  from: '2026-11-29T00:00:00.000Z',
  to: '2026-11-29T01:00:00.000Z',
  stepS: 60,
  source: 'raw' as const,
  metrics: [{ metric, unit: '°C', time: [0, 60_000], mean: [-1.5, 2], min: [-2, 1], max: [0, 3] }],
});

test('what is shown, a line a metric and time', () => {
  expect(csvOf(readings('a', 'temperature'))).toBe(
    [
      'time,sensor,metric,unit,mean,min,max,step_s',
      '1970-01-01T00:00:00.000Z,a,temperature,°C,-1.5,-2,0,60',
      '1970-01-01T00:01:00.000Z,a,temperature,°C,2,1,3,60',
      '',
    ].join('\r\n'),
  );
});

test('names are cells, and never formulas', () => {
  const [, line] = csvOf(readings('=cmd("x"),1', '@sum')).split('\r\n');
  expect(line).toBe(`1970-01-01T00:00:00.000Z,"'=cmd(""x""),1",'@sum,°C,-1.5,-2,0,60`);
});
