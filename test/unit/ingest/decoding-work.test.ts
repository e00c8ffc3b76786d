import { expect, test } from '@jest/globals';
import { limitsSchema } from '../../../src/config/schema/routes.ts';
import { MetricPlan } from '../../../src/core/ingest/mapping/metric.ts';

const { max_metrics: maxMetrics } = limitsSchema.parse({});
const plan = () =>
  new MetricPlan({
    fields: [],
    metricMap: new Map(),
    extras: true,
    skip: new Set(),
    identity: new Set(),
    skipPaths: new Set(),
    maxMetrics,
  });

/** Counts how often the names of the record's members are asked for: each time costs as much as it has members. */
function counted(record: Record<string, unknown>) {
  const passes = { count: 0 };
  const source = new Proxy(record, {
    ownKeys: (target) => {
      passes.count++;
      return Reflect.ownKeys(target);
    },
  });
  return { passes, source };
}

// One message of 1 MiB with such records kept the event loop for 9 and 3 seconds: a pass over the record for each array,
// and one for each name that two of its members claim.
test.each([
  ['arrays', (n: number) => [[`a${n}`, [n]]] as const],
  ['arrays too long to be metrics', (n: number) => [[`a${n}`, Array.from({ length: 20 }, () => n)]] as const],
  [
    'names that two members claim',
    (n: number) =>
      [
        [`a${n}`, [n]],
        [`a${n}_1`, n + 5],
      ] as const,
  ],
])('a record is passed over as often with 120 as with two: %s', (_, members) => {
  const passesOf = (count: number) => {
    const record = Object.fromEntries(Array.from({ length: count }, (_, n) => members(n)).flat());
    const { passes, source } = counted(record);
    plan().collect(source, source);
    return passes.count;
  };
  expect(passesOf(2)).toBeGreaterThan(0);
  expect(passesOf(120)).toBe(passesOf(2));
});

test('of several members for one name the best stays, and each name has its own count', () => {
  const { metrics, losses } = plan().collect(
    { a: [1], a_1: 9, b: [3], b_1: 3, temp: 20, temperature: 21, tempf: 70 },
    {},
  );
  expect(Object.fromEntries(metrics)).toEqual({ a_1: 9, b_1: 3, temperature: 21 });
  expect(losses?.names?.ambiguous).toEqual(['a_1', 'b_1', 'temperature']);
});
