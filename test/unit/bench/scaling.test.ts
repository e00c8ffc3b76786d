import { expect, test } from '@jest/globals';
import { formatTable, verdictOf } from '../../../bench/report.ts';
import { type ScaleRun, figuresOf } from '../../../bench/scaling.ts';

const run = (members: number, membersCpu: number, databaseCpu = 2): ScaleRun => ({
  ...{ members, membersCpu, databaseCpu },
  ...{ brokerCpu: NaN, peakMegabytes: 180.4, seconds: 20 },
});

test('each group is compared with one daemon of the same run, and has a verdict where there is a target', () => {
  const figures = figuresOf([run(0, 2), run(1, 2.1), run(2, 3.2), run(4, 5)]);
  expect(figures.map((figure) => [figure.value, figure.ratio?.toFixed(2), verdictOf(figure)])).toEqual([
    [2, undefined, undefined],
    [2.1, '0.95', 'ok'],
    [3.2, '0.63', 'miss'],
    [5, '0.40', undefined],
  ]);
  expect(formatTable(figures, [])).toContain(
    'group of 2: database 2.00 s, broker ? s per 100,000; largest member 180 MB',
  );
});

test('nothing is compared without the one', () => {
  expect(figuresOf([run(1, 2)])).toEqual([]);
});
