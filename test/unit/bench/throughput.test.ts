import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { DrainMeter } from '../../../bench/drain-meter.ts';
import type { DrainReport } from '../../../bench/jobs.ts';
import { throughputOf } from '../../../bench/throughput.ts';

describe('the clock of a run', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  test('of a backlog: from the first message that comes, and every message counts', async () => {
    const meter = new DrainMeter(4);
    jest.advanceTimersByTime(500); // before the first one
    for (let i = 0; i < 4; i++) meter.received();
    meter.stored(4, 700);
    jest.advanceTimersByTime(1000);
    meter.done(4);
    const expected = {
      seconds: 1,
      timed: 4,
      received: 4,
      stored: 4,
      commitSeconds: 0.7,
      stalled: false,
    };
    expect(await meter.finished).toMatchObject(expected);
  });

  test('of a live flow: from the first message after the warm-up, which is done with by then', async () => {
    const warm = jest.fn();
    const meter = new DrainMeter(8, 3, warm);
    const batch = (messages: number) => {
      for (let i = 0; i < messages; i++) meter.received();
      jest.advanceTimersByTime(1000);
      meter.stored(messages, 600);
      meter.done(messages);
    };
    batch(2);
    expect(warm).not.toHaveBeenCalled();
    batch(1);
    expect(warm).toHaveBeenCalledTimes(1);
    jest.advanceTimersByTime(1000); // until the others are published
    batch(3);
    batch(2);
    const expected = { seconds: 2, timed: 5, received: 8, stored: 8, commitSeconds: 1.2, stalled: false };
    expect(await meter.finished).toMatchObject(expected);
    expect(warm).toHaveBeenCalledTimes(1);
  });

  test('when nothing comes any more, it says so', async () => {
    const meter = new DrainMeter(4);
    meter.received();
    meter.done(1);
    jest.advanceTimersByTime(30_000);
    expect(await meter.finished).toMatchObject({ stalled: true, received: 1 });
  });
});

describe('the figure', () => {
  const report: DrainReport = {
    seconds: 10,
    timed: 200_000,
    cpuSeconds: 9,
    commitSeconds: 8,
    peakMegabytes: 200,
    received: 220_000,
    stored: 220_000,
    stalled: false,
  };
  const bare = [{ report: { ...report, timed: 250_000 }, publishedPerSecond: 40_000 }];

  test('of a live flow says how fast the publisher was', () => {
    const figure = throughputOf('c', { ours: [{ report, publishedPerSecond: 30_000 }], bare });
    expect(figure).toMatchObject({ part: 'c', value: 20_000, ratio: 0.8, target: 0.75 });
    expect(figure.note).toBe(
      'alert rules active; the broker acknowledged 30,000/s to the publisher, 40,000/s to the bare one; ' +
        'a commit was in flight 80 % of the time, the daemon used 90 % of a core',
    );
  });

  test('of a backlog has no publisher', () => {
    const figure = throughputOf('c2', { ours: [{ report }], bare: [{ report }] });
    expect(figure).toMatchObject({ part: 'c2', ratio: 1, target: 0.75 });
    expect(figure.note).not.toContain('publisher');
  });
});
