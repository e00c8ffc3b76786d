import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeHandover, encodeHandover } from '../../../src/core/alert/shards/handover-record.ts';
import type { HandoverReading } from '../../../src/core/alert/shards/handover-record.ts';

const readings: fc.Arbitrary<HandoverReading[]> = fc.array(
  fc.record({
    sensorId: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    timeUs: fc.integer({ min: -(2 ** 50), max: 2 ** 53 }),
    receivedAtMs: fc.double({ min: 0, max: 2e12, noNaN: true }),
    metrics: fc
      .array(
        fc.tuple(
          fc.oneof(fc.constantFrom('temperature', 'humidity', ''), fc.string({ unit: 'grapheme' })),
          fc.double(),
        ),
        { maxLength: 6 },
      )
      .map((entries) => new Map(entries)),
    retained: fc.boolean(),
    spooled: fc.boolean(),
    located: fc.boolean(),
  }),
  { maxLength: 40 },
);

const some: HandoverReading = {
  ...{ sensorId: 7, timeUs: 1_767_225_600_000_001, receivedAtMs: 1_767_225_600_123.5 },
  ...{ metrics: new Map([['temperature', 21.5]]), retained: false, spooled: true, located: true },
};

describe('readings that are handed over', () => {
  test('come out as they went in, in their order', () => {
    fc.assert(
      fc.property(readings, (all) => {
        const back = decodeHandover(encodeHandover(all));
        expect(back).toEqual(all);
        // The engine looks at metrics in their order.
        expect(back.map(({ metrics }) => [...metrics])).toEqual(all.map(({ metrics }) => [...metrics]));
      }),
      { seed: 14, numRuns: 200 },
    );
  });

  test('cost 25 bytes and 8 for each number; the names of their metrics are there once', () => {
    const size = (count: number) => encodeHandover(new Array<HandoverReading>(count).fill(some)).length;
    expect(size(101) - size(100)).toBe(33);
  });

  test('are refused where another version wrote them, and wherever they are cut off', () => {
    const bytes = encodeHandover([some, { ...some, metrics: new Map([['co2', 400]]) }]);
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeHandover(bytes.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'HANDOVER_UNREADABLE' }),
      );
    expect(() => decodeHandover(bytes.with(0, 2))).toThrow('version 2, expected 1');
  });
});
