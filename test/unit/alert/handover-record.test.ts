import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { withEarlierFence } from '../../../src/core/alert/cluster/earlier-fence.ts';
import {
  type HandoverReading,
  decodeHandover,
  eachHandoverTime,
  encodeHandover,
} from '../../../src/core/alert/cluster/handover-record.ts';
import { EMPTY_ALERT_BATCH } from '../../../src/core/alert/model.ts';

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
    hasGateway: fc.constantFrom(true, undefined),
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

test('what waited for the one evaluator of an earlier version is read, too', () => {
  const text = '[[7, 1000001, 1.5, {"temperature": 20.5, "x": null}, true, null], [8, 5, 2, {}, null, null]]';
  const bytes = new TextEncoder().encode(text);
  const flags = { retained: false, spooled: false, located: true };
  expect(decodeHandover(bytes)).toEqual([
    {
      ...{ ...flags, sensorId: 7, timeUs: 1_000_001, receivedAtMs: 1.5, retained: true },
      metrics: new Map<string, unknown>([['temperature', 20.5], ['x', null]]), // prettier-ignore
    },
    { ...flags, sensorId: 8, timeUs: 5, receivedAtMs: 2, metrics: new Map() },
  ]);
});

test('the times of readings are found without the rest, whatever the form', () => {
  const times = (bytes: Uint8Array) => {
    const found: number[][] = [];
    eachHandoverTime(bytes, (...each) => found.push(each));
    return found;
  };
  const readings = [7, 8, 7].map((sensorId, at) => ({
    ...{ sensorId, timeUs: 1000 + at, receivedAtMs: 1, retained: false, spooled: false, located: false },
    metrics: new Map([[`metric ${at % 2}`, at]]),
  }));
  expect(times(encodeHandover(readings))).toEqual([[7, 1000], [8, 1001], [7, 1002]]); // prettier-ignore
  expect(times(new TextEncoder().encode('[[7, 1000, 1, {}, null, null]]'))).toEqual([[7, 1000]]);
});

test('what an earlier version evaluated in a share group, and left in the spool, can never be written', () => {
  const batch = { ...EMPTY_ALERT_BATCH, duty: { group: 'crew', epoch: 3 } };
  const { fence, ...rest } = withEarlierFence(batch);
  expect(rest).toEqual(EMPTY_ALERT_BATCH);
  expect(fence).toMatchObject({ group: 'crew', era: 'epoch 3' });
  expect(fence?.shards.every(([, epoch]) => epoch < 0)).toBe(true);
  expect(withEarlierFence(EMPTY_ALERT_BATCH)).toBe(EMPTY_ALERT_BATCH);
});
