import { describe, expect, test } from '@jest/globals';
import { NoDataDigest } from '../../../src/services/alert/no-data-digest.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { notificationOf } from '../../support/notifications.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

function setUp() {
  const clock = new FakeClock();
  const logger = new QuietLogger();
  const groups = new NoDataDigest({ logger, clock });
  let next = 0;
  /** So many sensors at once; how many of them have lines of their own. */
  const silent = (count: number, more: Parameters<typeof notificationOf>[0] = {}) => {
    const all = Array.from({ length: count }, () =>
      notificationOf({ sensorKey: `s${++next}`, alertType: 'temperature_no_data', ...more }),
    );
    return count - groups.take(all).size;
  };
  const said = () =>
    logger.entries.map(({ level, fields }) => [
      level,
      fields['transition'],
      fields['alerts'],
      fields['total'],
    ]);
  return { clock, logger, groups, silent, said };
}

describe('no-data alerts in the log', () => {
  test('a few have lines of their own; other alerts always have', () => {
    const { silent, said, clock, logger } = setUp();
    expect(silent(19)).toBe(19);
    expect(silent(500, { alertType: 'temperature_high' })).toBe(500);
    expect(silent(500, { event: 'reminder' })).toBe(500);
    clock.advance(600_000);
    expect(said()).toEqual([]);
    expect(logger.entries).toEqual([]);
  });

  test('100,000 in slices are a line at once and one for the rest, whose total is all', () => {
    const { silent, said, clock, logger } = setUp();
    for (let slice = 0; slice < 20; slice++) {
      expect(silent(5000)).toBe(0);
      expect(said()).toHaveLength(1);
      clock.advance(2000);
    }
    clock.advance(10_000);
    expect(said()).toEqual([
      ['warn', 'firing', 5000, 5000],
      ['warn', 'firing', 95_000, 100_000],
    ]);
    expect(logger.entries[1]?.fields).toMatchObject({ sensors: 95_000, first: ['s5001', 's5002', 's5003', 's5004', 's5005'] }); // prettier-ignore
    expect(clock.pending).toBe(0);
  });

  test('a trickle of them is a line a minute', () => {
    const { silent, said, clock } = setUp();
    let single = 0;
    for (let second = 0; second < 600; second++) {
      single += silent(13);
      clock.advance(1000);
    }
    clock.advance(10_000);
    expect(single).toBe(13);
    expect(said().length).toBeLessThanOrEqual(12);
    expect(said().at(-1)?.[3]).toBe(600 * 13 - 13);
  });

  test('silence and return are apart; a group is as loud as the loudest of it', () => {
    const { silent, said } = setUp();
    silent(30, { event: 'resolved' });
    silent(10);
    silent(10, { severity: 'critical' });
    expect(said()).toEqual([
      ['info', 'resolved', 30, 30],
      ['error', 'firing', 10, 10],
    ]);
  });

  test('when it has been quiet for long it begins anew', () => {
    const { silent, said, clock } = setUp();
    silent(20);
    clock.advance(61_000);
    expect(silent(19)).toBe(19);
    expect(said()).toHaveLength(1);
  });

  test('what waits is said at a stop', () => {
    const { silent, said, clock, groups } = setUp();
    silent(20);
    silent(3);
    groups.flush();
    groups.flush();
    expect(said()).toEqual([
      ['warn', 'firing', 20, 20],
      ['warn', 'firing', 3, 23],
    ]);
    expect(clock.pending).toBe(0);
  });
});
