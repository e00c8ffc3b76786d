import { describe, expect, test } from '@jest/globals';
import {
  formatInterval,
  calendarMs,
  intervalMs,
  parseInterval,
  sameInterval,
} from '../../../src/core/policy/interval.ts';

const DAY = 86_400_000;

describe('intervals', () => {
  test.each([
    ['90 days', '90 days'],
    ['1 year', '1 year'],
    ['12 months', '1 year'],
    ['18mon', '1 year 6 months'],
    ['7d', '7 days'],
    ['2 weeks', '14 days'],
    ['1h30m', '1 hour 30 minutes'],
    ['5m', '5 minutes'],
    ['250 ms', '250 milliseconds'],
    ['01:00:00', '1 hour'],
    ['1 mon 3 days 04:05:06.5', '1 month 3 days 4 hours 5 minutes 6 seconds 500 milliseconds'],
    ['-00:05:00', '-5 minutes'],
    ['-1 days', '-1 day'],
    ['0', '0 seconds'],
    ['00:00:00', '0 seconds'],
  ])('%s is %s', (text, expected) => {
    const interval = parseInterval(text);
    expect(interval === undefined ? undefined : formatInterval(interval)).toBe(expected);
  });

  test.each([
    ['P90D', '90 days'],
    ['P1Y', '1 year'],
    ['PT1H30M', '1 hour 30 minutes'],
    ['1-0', '1 year'],
    ['90 0:00:00', '90 days'],
    ['1:00:00', '1 hour'],
    ['@ 90 days', '90 days'],
    ['@ 1 hour 5 mins', '1 hour 5 minutes'],
  ])('%s, as another interval style has it, is %s', (text, same) => {
    expect(parseInterval(text)).toEqual(parseInterval(same));
  });

  test.each(['', 'soon', '5', '1.5 days', 'P90', '3 fortnights', '1 day and a half'])(
    '%j is no interval',
    (text) => {
      expect(parseInterval(text)).toBeUndefined();
    },
  );

  test('are compared as PostgreSQL does: months of 30 days', () => {
    expect(sameInterval('1 mon', '30 days')).toBe(true);
    expect(sameInterval('1 year', '365 days')).toBe(false);
    expect(sameInterval('1 year', '360 days')).toBe(true);
    expect(sameInterval('24 hours', '1 day')).toBe(true);
    expect(intervalMs('1 year')).toBe(360 * DAY);
  });

  test('on the calendar a year has its days: a range of a year lies within what is kept for a year', () => {
    expect(calendarMs('1 year')).toBe(365.25 * DAY);
    expect(calendarMs('90 days')).toBe(90 * DAY);
  });
});
