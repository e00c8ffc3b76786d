import { expect, test } from '@jest/globals';
import { bucketInterval, isOfHours, parseBucket } from '../../../src/core/bucket.ts';
import { hasWholeHours, isNamedZone, unknownZone } from '../../../src/core/zone.ts';

test.each([
  ['15m', '900000 milliseconds'],
  ['1h', '3600000 milliseconds'],
  ['24h', '86400000 milliseconds'],
  ['1d', '1 days'],
  ['2 weeks', '14 days'],
  ['1mo', '1 months'],
  ['1 quarter', '3 months'],
  ['1y', '12 months'],
  ['1h30m', '5400000 milliseconds'],
])('%s is %s', (text, interval) => {
  const bucket = parseBucket(text);
  expect(bucket && bucketInterval(bucket)).toBe(interval);
});

test.each(['', '0d', '500ms', 'x', '1 moon', '-1h'])('%p is no bucket', (text) => {
  expect(parseBucket(text)).toBeUndefined();
});

test('buckets of whole hours, and zones with them', () => {
  expect(['1h', '2h', '1d', '1mo', '90m', '15m'].map((text) => isOfHours(parseBucket(text)!))).toEqual([
    ...[true, true, true, true],
    ...[false, false],
  ]);
  const january = Date.UTC(2026, 0, 1, 0, 10);
  expect(['UTC', 'Europe/Berlin', 'Asia/Kolkata'].map((zone) => hasWholeHours(zone, january))).toEqual([
    true,
    true,
    false,
  ]);
});

test('a zone is a name of the time zone database', () => {
  expect(['UTC', 'Europe/Berlin', '+02:00', 'Mars/Base', ''].map(isNamedZone)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(unknownZone('Europe/Berln')).toContain('did you mean "Europe/Berlin"?');
});
