import { describe, expect, test } from '@jest/globals';
import { MetricNames, MetricValues } from '../../../src/core/metric-values.ts';
import { CORE_METRICS } from '../../../src/core/reading.ts';
import { leastCpuMs } from '../../support/cpu-time.ts';
import fc from '../../support/fast-check.ts';

const NAMES = [...CORE_METRICS, 'co2', 'voc', 'a', 'b', 'c', 'd', 'e'];
const name = fc.constantFrom(...NAMES);
const change = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constant('set' as const), name, fc.double()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('delete' as const), name, fc.constant(0)) },
);

describe('MetricValues', () => {
  test('is what a Map is, also where several are made at the same time', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), change), { maxLength: 60 }), (changes) => {
        const maps = Array.from({ length: 4 }, () => new Map<string, number>());
        const values = Array.from({ length: 4 }, () => new MetricValues());
        for (const [which, [kind, metric, value]] of changes) {
          if (kind === 'set') {
            maps[which]!.set(metric, value);
            values[which]!.set(metric, value);
          } else expect(values[which]!.delete(metric)).toBe(maps[which]!.delete(metric));
        }
        for (const [which, map] of maps.entries()) {
          const own = values[which]!;
          expect([...own]).toEqual([...map]);
          expect([...own.keys()]).toEqual([...map.keys()]);
          expect([...own.values()]).toEqual([...map.values()]);
          expect(own.size).toBe(map.size);
          for (const each of NAMES) {
            expect(own.get(each)).toBe(map.get(each));
            expect(own.has(each)).toBe(map.has(each));
          }
          const visited: [string, number][] = [];
          own.forEach((value, metric) => visited.push([metric, value]));
          expect(visited).toEqual([...map]);
          expect(new Map(own)).toEqual(map);
        }
      }),
    );
  });

  test('has room for more numbers than a block, and for more readings', () => {
    const names = Array.from({ length: 10_000 }, (_, n) => `m${n}`);
    const big = new MetricValues();
    const small = new MetricValues().set('temperature', 1);
    for (const [value, each] of names.entries()) {
      big.set(each, value);
      if (value === 5000) small.set('humidity', 2);
    }
    expect([...big.keys()]).toEqual(names);
    expect(names.every((each, value) => big.get(each) === value)).toBe(true);
    expect([...small]).toEqual([['temperature', 1], ['humidity', 2]]); // prettier-ignore
    const many = Array.from({ length: 10_000 }, (_, n) =>
      new MetricValues().set('temperature', n).set('co2', -n),
    );
    expect(many.every((each, n) => each.get('temperature') === n && each.get('co2') === -n)).toBe(true);
  });

  test('ten times as many new names take some ten times as long, not a hundred times', () => {
    let made = 0;
    const read = (count: number) =>
      leastCpuMs(3, () => {
        const values = new MetricValues();
        for (const prefix = `n${made++}_`; values.size < count;) values.set(prefix + values.size, 1);
      });
    read(1000); // compiled
    expect(read(10_000)).toBeLessThan(40 * Math.max(read(1000), 1));
  });

  test('names that two readings begin with alike and go on with differently stay theirs', () => {
    const common = Array.from({ length: 20 }, (_, n) => `common_${n}`);
    const of = (...names: string[]) => MetricNames.of([...common, ...names]);
    const [plain, one, other, both] = [of(), of('one'), of('other'), of('one', 'other')];
    const places = (names: MetricNames) => ['common_7', 'one', 'other'].map((each) => names.place(each));
    expect([plain, one, other, both].map(places)).toEqual([[7, -1, -1], [7, 20, -1], [7, -1, 20], [7, 20, 21]]); // prettier-ignore
    expect(one.with('one')).toBeUndefined();
    expect(plain.with('common_3')).toBeUndefined();
    expect(other.with('one')?.list.slice(20)).toEqual(['other', 'one']);
  });

  test('numbers of a block that is there: what is added to one reading leaves its neighbour as it is', () => {
    const names = MetricNames.of(['temperature', 'co2']);
    const numbers = Float64Array.of(1, 2, 3, 4);
    const [first, second] = [MetricValues.within(names, numbers, 0), MetricValues.within(names, numbers, 2)];
    first.set('voc', 9);
    expect([...first]).toEqual([['temperature', 1], ['co2', 2], ['voc', 9]]); // prettier-ignore
    expect([...second]).toEqual([['temperature', 3], ['co2', 4]]); // prettier-ignore
  });

  test('of a Map, and of itself', () => {
    const metrics = new Map([['co2', 412], ['rssi', -70]]); // prettier-ignore
    const values = MetricValues.of(metrics);
    expect([...values]).toEqual([...metrics]);
    expect(MetricValues.of(values)).toBe(values);
    const text = new Map([['co2', '412' as unknown as number]]);
    expect([...MetricValues.of(text)]).toEqual([['co2', NaN]]);
  });
});

describe('MetricNames', () => {
  test('readings with the same names in the same order share one list', () => {
    const one = new MetricValues().set('temperature', 1).set('co2', 2);
    const other = new MetricValues().set('temperature', 3).set('co2', 4).set('temperature', 5);
    expect(other.names).toBe(one.names);
    expect(new MetricValues().set('co2', 1).set('temperature', 1).names).not.toBe(one.names);
  });

  test('the places of core metrics, in the order of CORE_METRICS, and of all others', () => {
    const { core, narrow } = MetricNames.of(['co2', 'rssi', 'temperature', 'voc']);
    expect([...core]).toEqual([2, -1, -1, -1, 1]);
    expect([...narrow]).toEqual([0, 3]);
  });

  test('inventors of names fill no memory: lists are forgotten, and readings keep theirs', () => {
    const before = MetricNames.empty;
    const kept = new MetricValues().set('temperature', 21).set('co2', 400);
    for (let n = 0; MetricNames.empty === before; n++) {
      expect(n).toBeLessThan(20_000);
      new MetricValues().set(`invented_${n}`, n);
    }
    expect([...kept.set('voc', 3)]).toEqual([['temperature', 21], ['co2', 400], ['voc', 3]]); // prettier-ignore
    expect([...new MetricValues().set('temperature', 1)]).toEqual([['temperature', 1]]);
  });
});

test('an assertion compares metrics by what they hold', () => {
  const values = new MetricValues().set('co2', 412);
  expect(values).toEqual(new Map([['co2', 412]]));
  expect({ metrics: values }).not.toEqual({ metrics: new MetricValues().set('co2', 413) });
  expect(values).not.toEqual(new Map([['voc', 412]]));
  expect(values).not.toEqual({});
});
