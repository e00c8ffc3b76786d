import { expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { type TableLevel, type TableRule, lettersByTable } from './second-table.ts';
import { Bench, rulesOf } from './support.ts';
import { rounds } from '../../support/rounds.ts';

const seconds = (value: number) => `${value}s`;

const level: fc.Arbitrary<TableLevel> = fc
  .record({
    severity: fc.constant('critical' as const),
    max: fc.constantFrom(30, 33, 36),
    min: fc.constantFrom(10, 7, 4),
    forS: fc.constantFrom(undefined, 0, 60, 180),
  })
  .map(({ forS, ...limits }) => (forS === undefined ? limits : { ...limits, forS }));

const rule: fc.Arbitrary<TableRule> = fc.record({
  max: fc.constant(30),
  min: fc.constant(10),
  hysteresis: fc.constantFrom(0, 1, 2),
  forS: fc.constantFrom(0, 60, 120, 300),
  keepS: fc.constantFrom(0, 60, 180),
  samples: fc.constantFrom(1, 2, 3),
  staleS: fc.constantFrom(600, 150),
  levels: fc.array(level, { maxLength: 1 }),
});

/** Steps back and stands still, too: what is late and what comes twice. */
const stepS = fc.constantFrom(0, 10, 30, 60, 60, 120, 200, 700, -40);
const value = fc.constantFrom(20, 28, 28.5, 29, 30, 31, 32, 33, 34, 35, 37, 12, 11, 10, 9, 8, 6, 3);
const samples = fc.array(fc.tuple(stepS, value), { minLength: 1, maxLength: 30 }).map((steps) => {
  let at = 0;
  return steps.map(([by, reading]) => [(at = Math.max(0, at + by)), reading] as const);
});

test('the engine gives what the table of the contract gives, for any rule and any readings', () => {
  fc.assert(
    fc.property(rule, samples, (given, readings) => {
      const { forS, keepS, samples: min_samples, staleS, levels, ...limits } = given;
      const bench = new Bench(
        rulesOf({
          metrics: {
            temperature: {
              ...limits,
              for: seconds(forS),
              keep_firing_for: seconds(keepS),
              min_samples,
              stale_after: seconds(staleS),
              levels: levels.map(({ forS: own, ...each }) => ({
                ...each,
                ...(own === undefined ? {} : { for: seconds(own) }),
              })),
            },
          },
        }),
      );
      for (const [at, reading] of readings) bench.send({ at, value: reading });
      expect(bench.trace).toEqual(lettersByTable(given, readings));
    }),
    { numRuns: rounds(500, 1500), seed: 20_260_101 },
  );
});
