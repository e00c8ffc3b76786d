import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { spanCondition } from '../../../src/adapters/timescale/ingest/merge.ts';
import {
  binaryArray,
  binaryBytes,
  isoMicros,
  storableJson,
  storableText,
} from '../../../src/adapters/timescale/values.ts';

describe('values on their way to the database', () => {
  test.each([
    [0, '1970-01-01T00:00:00.000000Z'],
    [1, '1970-01-01T00:00:00.000001Z'],
    [-1, '1969-12-31T23:59:59.999999Z'],
    [1_767_225_600_123_456, '2026-01-01T00:00:00.123456Z'],
    [9_007_199_254_740_991, '2255-06-05T23:47:34.740991Z'],
  ])('%d µs', (timeUs, text) => {
    expect(isoMicros(timeUs)).toBe(text);
  });

  test('text that PostgreSQL cannot hold is replaced, all other text stays', () => {
    expect(storableText('a\0b\ud800c\udc00\u{1f321}')).toBe('a\ufffdb\ufffdc\ufffd\u{1f321}');
    expect(storableJson({ a: ['x\0', 'y\\u0000'] })).toBe('{"a":["x\ufffd","y\\\\u0000"]}');
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        (text) => text.includes('\0') || storableText(text) === text,
      ),
    );
  });
});

describe('the span of a merge', () => {
  const day = (n: number, us = 0) => ({
    sensorId: 1,
    timeUs: n * 86_400_000_000 + us,
    metrics: new Map<string, number>(),
  });

  test('neighbouring days are one range, others are apart', () => {
    expect(spanCondition([])).toBe('false');
    expect(spanCondition([day(0, 5), day(0, 3)])).toBe(
      "r.time BETWEEN '1970-01-01T00:00:00.000003Z' AND '1970-01-01T00:00:00.000005Z'",
    );
    expect(spanCondition([day(9, 1), day(0), day(1)])).toBe(
      "(r.time BETWEEN '1970-01-01T00:00:00.000000Z' AND '1970-01-02T00:00:00.000000Z') OR " +
        "(r.time BETWEEN '1970-01-10T00:00:00.000001Z' AND '1970-01-10T00:00:00.000001Z')",
    );
  });

  test('the number of ranges is bounded', () => {
    const scattered = Array.from({ length: 200 }, (_, n) => day(n * 3));
    expect(spanCondition(scattered).split(' OR ').length).toBe(32);
    expect(spanCondition(scattered)).toContain("'1971-08-21T00:00:00.000000Z'");
  });
});

describe('arrays in binary form', () => {
  test('are what array_recv reads', () => {
    expect(binaryArray(Int32Array.of(-1, 7)).toString('hex')).toBe(
      ['00000001', '00000000', '00000017', '00000002', '00000001', '00000004ffffffff', '0000000400000007'].join(''), // prettier-ignore
    );
    expect(binaryArray(Float64Array.of(-Infinity)).toString('hex')).toBe(
      ['00000001', '00000000', '000002bd', '00000001', '00000001', '00000008fff0000000000000'].join(''),
    );
  });

  test('of bytes as well', () => {
    expect(binaryBytes([Uint8Array.of(1, 2, 3), new Uint8Array(0)]).toString('hex')).toBe(
      ['00000001', '00000000', '00000011', '00000002', '00000001', '00000003010203', '00000000'].join(''),
    );
  });

  test('one without elements has no dimension', () => {
    expect(binaryBytes([]).toString('hex')).toBe('000000000000000000000011');
    expect(binaryArray(new Float64Array(0)).toString('hex')).toBe('0000000000000000000002bd');
  });
});
