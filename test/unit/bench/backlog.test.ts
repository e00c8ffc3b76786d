import { expect, test } from '@jest/globals';
import { type BacklogRun, backlogFigures } from '../../../bench/group-backlog.ts';
import { verdictOf } from '../../../bench/report.ts';

/** Its middle round is as given. */
const run = (name: string, membersCpu: number, perSecond: number): BacklogRun => ({
  name,
  rounds: [0.9, 3, 1].map((times) => ({
    ...{ membersCpu: membersCpu * times, perSecond: perSecond * times },
    ...{ databaseCpu: 1, peakMegabytes: 180.4, batches: 50 },
  })),
});

test('each side is compared with its counterpart of the same run', () => {
  const figures = backlogFigures([
    run('one daemon', 2, 40_000),
    run('one daemon, lateness 2s', 2.4, 32_000),
    run('group of 1', 2.6, 32_000),
    run('group of 2', 4, 32_000),
  ]);
  expect(figures.map(({ ratio, target, ...figure }) => [ratio?.toFixed(2), target, verdictOf({ ratio, target, ...figure } as never)])).toEqual([
    [undefined, undefined, undefined],
    [undefined, undefined, undefined],
    ['0.83', 0.8, 'ok'],
    ['0.80', 0.85, 'miss'],
    ['0.92', 0.91, 'ok'],
    ['1.00', undefined, undefined],
    ['0.50', 0.67, 'miss'],
    ['0.80', 0.75, 'ok'],
  ]); // prettier-ignore
});
