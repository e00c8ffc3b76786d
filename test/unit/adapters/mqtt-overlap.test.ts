import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { OverlappingCopies } from '../../../src/adapters/mqtt/overlapping-copies.ts';
import { filtersOverlap, parseTopicPattern } from '../../../src/core/ingest/topic.ts';
import { rounds } from '../../support/rounds.ts';

describe('filters that overlap', () => {
  test.each([
    ['plant/+/temp', 'plant/a/+', true],
    ['plant/+/temp', 'plant/a/hum', false],
    ['a/#', 'a', true],
    ['a/#', 'b/#', false],
    ['+/x', '$SYS/x', false],
    ['#', 'a/b', true],
    ['a/+', 'a/b/c', false],
    ['a/+/#', 'a/b', true],
    ['$share/g/a/+', '$share/g/+/b', true],
  ])('%s and %s: %s', (a, b, expected) => {
    expect(filtersOverlap(a, b)).toBe(expected);
    expect(filtersOverlap(b, a)).toBe(expected);
  });

  test('whenever one topic matches both', () => {
    const level = fc.constantFrom('a', 'b', '');
    const filter = fc
      .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
      .map(([levels, many]) => (many ? [...levels, '#'] : levels).join('/'))
      .filter((text) => text !== '');
    const topic = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
    const matches = (text: string, name: string) => {
      const parsed = parseTopicPattern(text);
      return parsed.ok && parsed.pattern.match(name) !== undefined;
    };
    fc.assert(
      fc.property(filter, filter, topic, (a, b, name) => {
        fc.pre(matches(a, name) && matches(b, name));
        expect(filtersOverlap(a, b)).toBe(true);
      }),
      { numRuns: rounds(500, 2000), seed: 7, maxSkipsPerRun: 1000 },
    );
  });
});

const FILTERS = ['plant/+/temp', 'plant/a/+', 'other/#'];
const bytes = (text: string) => Buffer.from(text);

/** Feeds `[topic, payload, ids]` at one millisecond each; gives the numbers of those that are new. */
function newOnes(
  copies: OverlappingCopies,
  arrivals: readonly (readonly [string, string, (readonly number[])?])[],
): number[] {
  return arrivals.flatMap(([topic, payload, subscriptionIds], index) => {
    const first = copies.firstArrivalOf({
      ...{ topic, payload: bytes(payload), subscriptionIds, arrivalUs: index, monotonicMs: index },
    });
    return first === undefined ? [index] : [];
  });
}

function copiesOf(sendsCopies = false): OverlappingCopies {
  const copies = OverlappingCopies.of(FILTERS, sendsCopies);
  if (copies === undefined) throw new Error('these filters overlap');
  return copies;
}

describe('copies of one publish', () => {
  test('nothing is compared where no filters overlap', () => {
    expect(OverlappingCopies.of(['a/#', 'b/#'], true)).toBeUndefined();
  });

  const T = 'plant/a/temp';
  test.each([
    [
      'one for each filter',
      [
        [T, '21', [1]],
        [T, '21', [2]],
      ],
      [0],
    ],
    [
      'the same value twice, alternating',
      [
        [T, '21', [1]],
        [T, '21', [2]],
        [T, '21', [1]],
        [T, '21', [2]],
      ],
      [0, 2],
    ],
    [
      'the same value twice, one filter first',
      [
        [T, '21', [1]],
        [T, '21', [1]],
        [T, '21', [2]],
        [T, '21', [2]],
      ],
      [0, 1],
    ],
    [
      'one copy that names both',
      [
        [T, '21', [1, 2]],
        [T, '21', [1, 2]],
      ],
      [0, 1],
    ],
    [
      'one copy that names one',
      [
        [T, '21', [2]],
        [T, '21', [2]],
      ],
      [0, 1],
    ],
    [
      'another value',
      [
        [T, '21', [1]],
        [T, '22', [1]],
        [T, '21', [2]],
        [T, '22', [2]],
      ],
      [0, 1],
    ],
    [
      'a topic that one filter matches',
      [
        ['plant/b/temp', '21', [1]],
        ['plant/b/temp', '21', [1]],
      ],
      [0, 1],
    ],
    [
      'a broker that names none',
      [
        [T, '21'],
        [T, '21'],
      ],
      [0, 1],
    ],
  ] as const)('with identifiers: %s', (_name, arrivals, expected) => {
    expect(newOnes(copiesOf(), arrivals)).toEqual(expected);
  });

  test('without identifiers, of a broker that sends copies: one of two', () => {
    const arrivals = Array.from({ length: 6 }, () => [T, '21'] as const);
    expect(newOnes(copiesOf(true), arrivals)).toEqual([0, 2, 4]);
  });

  test('a copy has the arrival of the first, and what comes later is another publish', () => {
    const copies = copiesOf();
    const at = (id: number, ms: number) =>
      copies.firstArrivalOf({
        ...{
          topic: T,
          payload: bytes('21'),
          subscriptionIds: [id],
          arrivalUs: 5000 + ms,
          monotonicMs: ms,
        },
      });
    expect(at(1, 0)).toBeUndefined();
    expect(at(2, 3)).toBe(5000);
    expect(at(2, 20_000)).toBeUndefined();
    expect(at(1, 20_001)).toBe(25_000);
  });
});
