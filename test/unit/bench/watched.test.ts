import { expect, test } from '@jest/globals';
import { verdictOf } from '../../../bench/report.ts';
import { type WatchedRun, watchedFigures } from '../../../bench/watched.ts';

/** Its middle run is as given. */
const runs = (perSecond: number, daemonCpu: number, p99Ms: number, readersCpu: number): WatchedRun[] =>
  [0.9, 1.2, 1].map((times) => ({
    offered: { perSecond: 10_000, daemonCpu, databaseCpu: 1, readersCpu, p99Ms: p99Ms * times },
    backlog: { perSecond: perSecond * times, daemonCpu, databaseCpu: 1, readersCpu },
    ...(readersCpu === 0
      ? {}
      : {
          seen: {
            ...{ events: 100, requests: 20, unchanged: 5, failures: 1, streams: 100 },
            ...{ p99Ms: 40, cpuSeconds: 1 },
          },
        }),
  }));

test('readers are compared with their absence, and the CPU of each process is apart', () => {
  const figures = watchedFigures(runs(27_000, 2.5, 31, 0.2), runs(30_000, 2, 20, 0));
  expect(figures.map((figure) => [figure.measure.replace(/^.*?users: /, ''), figure.ratio?.toFixed(2), verdictOf(figure)])).toEqual([
    ['at 10,000/s offered, stored', '1.00', 'ok'],
    ['at 10,000/s offered, publish to commit, p99, of 10 ms more', '0.97', 'miss'],
    ['at 10,000/s offered, CPU of the daemon per 100,000', '0.80', undefined],
    ['at 10,000/s offered, CPU of the database per 100,000', '1.00', undefined],
    ['at 10,000/s offered, CPU of the readers themselves per 100,000', undefined, undefined],
    ['backlog drained', '0.90', 'ok'],
    ['backlog, CPU of the daemon per 100,000', '0.80', undefined],
    ['backlog, CPU of the database per 100,000', '1.00', undefined],
    ['backlog, CPU of the readers themselves per 100,000', undefined, undefined],
  ]); // prettier-ignore
  expect(figures[0]?.note).toContain('300 events and 60 answers (15 of them 304), 3 failed, p99 40 ms');
});
