import { describe, expect, test } from '@jest/globals';
import { alertsSchema } from '../../../src/config/schema/alerts.ts';
import { Backtest, type BacktestEpisode } from '../../../src/core/alert/analysis/backtest.ts';
import type { SensorFacts } from '../../../src/core/alert/rules/effective.ts';
import { alertId } from '../../../src/services/alert/alert-id.ts';
import { declaredSensors } from '../../../src/app/options.ts';
import { configSchema } from '../../../src/config/schema/index.ts';
import { evaluate } from '../../../src/library/evaluate.ts';
import { loadEngine } from '../../../src/services/alert/state-loader.ts';
import fc from '../../support/fast-check.ts';
import { Bench, T0_MS, T0_US, rulesOf, sensorOf } from './support.ts';

const faultsOf = (alerts: unknown) =>
  alertsSchema.safeParse(alerts).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);

const difference = (rule: object, rest: object = {}) => ({
  metrics: { supply: { difference: { minus: { metric: 'return' }, ...rule }, ...rest } },
});
const warm = (rest: object = {}) => ({
  metrics: { temperature: { max: 8 } },
  counts: [{ name: 'warm', of: { alert_type: 'temperature_high' }, at_least: 2, ...rest }],
});

describe('rules on more than one value', () => {
  test('say what is wrong with them', () => {
    expect(faultsOf(difference({}))).toEqual(['metrics.supply.difference: needs max, min or both']);
    expect(faultsOf(difference({ min: 5, max: 2 }))).toEqual([
      'metrics.supply.difference: difference 5 is above difference 2',
    ]);
    expect(faultsOf(difference({ max: 2, name: 'Ä' }))?.[0]).toContain('is no name');
    expect(faultsOf(warm({ at_least: 1 }))).toHaveLength(1);
    expect(faultsOf(warm({ of: {} }))?.[0]).toContain('needs at least one matcher');
    const twice = { name: 'a', of: { type: 'x' }, at_least: 2 };
    expect(faultsOf({ counts: [twice, twice] })).toEqual(['counts.1.name: two counts are called a']);
  });

  test('relate sensors of different shards, except a difference within one', () => {
    const other = { metrics: { t: { difference: { minus: { sensor: 's2', metric: 't' }, max: 1 } } } };
    const relate = [difference({ max: 1 }), other, warm()].map((alerts) => rulesOf(alerts).relatesSensors);
    expect(relate).toEqual([false, true, true]);
    expect(rulesOf({ metrics: { t: { max: 1 } } }).relatesSensors).toBe(false);
  });

  test('a metric that is only subtracted is followed, and gives no alert', () => {
    const rules = rulesOf(difference({ max: 20 })).rulesFor(sensorOf('s1'));
    expect(rules.named.map(({ metric, conditions }) => `${metric} ${conditions.length}`)).toEqual([
      'supply 1',
      'return 0',
    ]);
    const far = rulesOf({
      overrides: [
        { sensor: 's1', metrics: { t: { difference: { minus: { sensor: 's2', metric: 'u' }, max: 1 } } } },
      ],
    });
    expect(far.rulesFor(sensorOf('s2')).named.map(({ metric }) => metric)).toEqual(['u']);
    expect(far.rulesFor(sensorOf('s3')).named).toEqual([]);
  });

  test('other rules keep the hash that an earlier version has stored with their states', () => {
    const rules = rulesOf({ defaults: { no_data_after: '5m' }, metrics: { temperature: { max: 30 } } });
    const { named, offline } = rules.rulesFor(sensorOf('s1'));
    const hashes = [...(named[0]?.conditions ?? []), ...(offline?.conditions ?? [])].map(({ hash }) => hash);
    expect(hashes).toEqual(['0a1dc4be26be6e', '076031d598a509', '137c6e4b5c4709']);
  });
});

describe('a difference', () => {
  const reading = fc.record({
    at: fc.integer({ min: 0, max: 600 }),
    metric: fc.constantFrom('supply', 'return'),
    value: fc.integer({ min: 0, max: 50 }),
  });

  test('is the same in batches of any size', () => {
    fc.assert(
      fc.property(fc.array(reading, { maxLength: 60 }), fc.integer({ min: 1, max: 10 }), (all, size) => {
        const rules = () => rulesOf(difference({ max: 10, min: -10 }, { hysteresis: 2 }));
        const one = new Bench(rules());
        for (const each of all) one.send(each);
        const many = new Bench(rules());
        for (let at = 0; at < all.length; at += size) many.send(...all.slice(at, at + size));
        expect(many.trace).toEqual(one.trace);
      }),
    );
  });

  test('of an uncommitted batch leaves no trace in the next one', () => {
    const bench = new Bench(rulesOf(difference({ max: 10 })));
    bench.send({ at: 0, metric: 'return', value: 20 });
    bench.engine.begin();
    bench.read({ at: 10, metric: 'return', value: 0 });
    // Discarded: the supply is compared with 20.
    bench.send({ at: 20, metric: 'supply', value: 25 });
    expect(bench.trace).toEqual([]);
    bench.send({ at: 30, metric: 'return', value: 10 }).send({ at: 40, metric: 'supply', value: 25 });
    expect(bench.trace).toEqual(['F@40(15/10) supply_difference_high']);
    expect(bench.notifications.at(-1)).toMatchObject({ kind: 'difference', minus: { metric: 'return' } });
  });
});

describe('counts', () => {
  const change = fc.record({
    at: fc.integer({ min: 1, max: 20 }),
    sensor: fc.constantFrom('s1', 's2', 's3', 's4'),
    value: fc.constantFrom(7, 9),
  });

  test('an uncommitted batch counts nothing, and each alert is counted once', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), fc.array(fc.nat(40)), (all, discarded) => {
        const bench = new Bench(rulesOf(warm()));
        bench.engine.attachCount(sensorOf('count:warm', { id: 99 }));
        const open = new Set<string>();
        let at = 0;
        let isOpen = false;
        all.forEach((each, index) => {
          at += each.at;
          const given = { at, value: each.value, sensor: sensorOf(each.sensor) };
          if (discarded.includes(index)) {
            bench.engine.begin();
            bench.read(given);
          }
          bench.send(given);
          if (each.value > 8) open.add(each.sensor);
          else open.delete(each.sensor);
          const expected = open.size >= 2;
          const last = bench.trace.findLast((line) => line.includes(' warm '));
          if (expected !== isOpen) expect(last).toMatch(expected ? `F@${at}(2/2) warm` : `R@${at} warm`);
          isOpen = expected;
        });
        const count = bench.table.filter(({ kind }) => kind === 'count');
        expect(count.filter(({ resolvedAtUs }) => resolvedAtUs === undefined)).toHaveLength(isOpen ? 1 : 0);
      }),
    );
  });

  test('a daemon registers the sensor that carries it, in addition to the declared ones', () => {
    const config = configSchema.parse({ alerts: warm(), sensors: { declare: { a: { gateway: 'hub' } } } });
    expect(declaredSensors(config)).toEqual([
      { key: 'a', gateway: 'hub', tags: [] },
      { key: 'count:warm', name: 'warm', type: 'count' },
    ]);
  });

  test('its state is read back under its sensor, and goes on', async () => {
    const rules = () => rulesOf(warm());
    const count = { ...sensorOf('count:warm'), id: 9 };
    const bench = new Bench(rules());
    bench.engine.attachCount(count);
    bench.send({ at: 0, value: 9 }, { at: 0, value: 9, sensor: sensorOf('s2') });
    const states = bench.batches.flatMap((batch) => batch.states);
    expect(
      states.map(({ sensorId, kind, metric, state }) => `${sensorId} ${kind} ${metric} ${state}`),
    ).toContain('9 count warm firing');
    const store = {
      loadStates: async () => states,
      loadWaiting: async () => ({ rows: [], upTo: '0' }),
      loadReadings: async () => [],
    };
    const scope = { nowUs: T0_US + 60e6, group: '' };
    const { engine, changes } = await loadEngine(
      rules(),
      [sensorOf('s1'), sensorOf('s2'), count],
      { store, lastReadings: async () => [] },
      scope,
    );
    expect(changes).toEqual([]);
    const restarted = new Bench(rules());
    restarted.engine = engine;
    restarted.send({ at: 100, value: 7 });
    expect(restarted.trace).toEqual(['R@100', 'R@100 warm count:warm']);
  });

  test('the library gives the alert of a count the name of its sensor', () => {
    const time = new Date(T0_MS);
    const alerts = evaluate(warm(), [
      { sensor: 'a', time, metrics: { temperature: 9 } },
      { sensor: 'b', time, metrics: { temperature: 9 } },
    ]);
    expect(alerts.map(({ sensor, alertType, value }) => `${sensor} ${alertType} ${value}`)).toEqual([
      'a temperature_high 9',
      'b temperature_high 9',
      'count:warm warm 2',
    ]);
  });

  test('a backtest has them, and a gateway that never sends anything itself', () => {
    const facts = (id: number, key: string, gateway: string | null): SensorFacts => ({
      ...{ id, key, type: null, location: null, tags: [], gateway },
    });
    const [hub, d1, d2] = [facts(1, 'hub', null), facts(2, 'd1', 'hub'), facts(3, 'd2', 'hub')];
    const rules = rulesOf({ ...warm(), offline_after: '10m' });
    const episodes: BacktestEpisode[] = [];
    const backtest = new Backtest(rules, {
      alertId,
      fromMs: T0_MS,
      ended: (episode) => episodes.push(episode),
    });
    backtest.know([hub, d1, d2]);
    for (const [at, sensor] of [
      [0, d1],
      [60, d2],
      [2000, d1],
      [2001, d2],
    ] as const)
      backtest.reading(sensor, T0_US + at * 1e6, new Map([['temperature', at < 1000 ? 9 : 7]]));
    backtest.end(T0_MS + 2_100_000);
    expect(
      episodes
        .map(
          ({ sensorKey, alertType, firedAtUs }) =>
            `${sensorKey} ${alertType} ${((firedAtUs[0] ?? 0) - T0_US) / 1e6}`,
        )
        .sort(),
    ).toEqual([
      'count:warm warm 60',
      'd1 offline 600',
      'd1 temperature_high 0',
      'd2 offline 660',
      'd2 temperature_high 60',
      'hub offline 660',
    ]);
  });
});
