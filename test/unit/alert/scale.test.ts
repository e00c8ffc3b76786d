import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { alertsSchema } from '../../../src/config/schema/alerts.ts';
import { batchOfWork } from '../../../src/core/alert/engine/alert-batch.ts';
import { applyCommand, isOpen } from '../../../src/core/alert/engine/commands.ts';
import { AlertEngine } from '../../../src/core/alert/engine/engine.ts';
import { Series } from '../../../src/core/alert/engine/series.ts';
import { type TimerOwner, Timers } from '../../../src/core/alert/engine/timers.ts';
import type { AlertStateRow } from '../../../src/core/alert/model.ts';
import { AVAILABILITY } from '../../../src/core/reading.ts';
import { RuleSet } from '../../../src/core/alert/rules/rule-set.ts';
import type { AlertStore, LastReadings } from '../../../src/ports/alerts.ts';
import { alertId } from '../../../src/services/alert/alert-id.ts';
import { loadEngine, prepareEngine } from '../../../src/services/alert/state-loader.ts';
import { T0_MS, T0_US, rulesOf, sensorOf } from './support.ts';

// Many runs, on a machine that may be busy.
jest.setTimeout(60_000);

// Work is counted, not timed: ten times the sensors are ten times the work, on any machine and however busy it is.

const FEW = 300;
const MANY = 10 * FEW;
/** Ten times, and what a heap adds: the depth of log2(10) levels. */
const LINEAR = 10 * 1.5;

const sensors = (count: number) => Array.from({ length: count }, (_, index) => sensorOf(`s${index + 1}`));

const THREE = rulesOf({
  defaults: { no_data_after: '15m' },
  metrics: { temperature: { max: 30 }, humidity: { max: 80 }, battery: { min: 20 } },
});

const reading = (sensor: ReturnType<typeof sensorOf>, atMs: number) => ({
  sensor,
  timeUs: atMs * 1000,
  receivedAtMs: atMs,
  metrics: new Map([
    ['temperature', 20],
    ['humidity', 50],
    ['battery', 90],
  ]),
});

function heardOnce(count: number): AlertEngine {
  const engine = new AlertEngine(THREE);
  engine.connected(T0_MS);
  engine.begin();
  for (const sensor of sensors(count)) engine.reading(reading(sensor, T0_MS));
  engine.commit();
  return engine;
}

afterEach(() => {
  jest.restoreAllMocks();
});

describe('requests of operators about one alert', () => {
  test('read the alerts of its sensor only, however many others are open', () => {
    const engine = new AlertEngine(rulesOf({ metrics: { temperature: { max: 30 } } }));
    engine.begin();
    for (const sensor of sensors(MANY))
      engine.reading({ ...reading(sensor, T0_MS), metrics: new Map([['temperature', 40]]) });
    engine.commit();
    expect(engine.open.size).toBe(MANY);
    const everything = jest.spyOn(engine, 'openNow');
    const [command] = [
      { kind: 'ack', sensorId: 7, alertType: 'temperature_high', alertId: undefined, by: 'ann' },
    ] as const;
    expect(isOpen(engine, command)).toBe(true);
    engine.begin();
    expect(applyCommand(engine, command, T0_MS, alertId)).toBe('done');
    expect(applyCommand(engine, command, T0_MS, alertId)).toBe('already');
    expect(engine.work.touched.map(({ sensorId }) => sensorId)).toEqual([7]);
    expect(everything).not.toHaveBeenCalled();
  });
});

describe('without a rule about the sensor itself', () => {
  test('a message enters the series of its metrics, and no other exists', () => {
    const engine = heardOnce(FEW);
    expect([...engine.allSeries()]).toHaveLength(3 * FEW);
    const due = jest.spyOn(Series.prototype, 'nextDueMs');
    engine.begin();
    for (const sensor of sensors(FEW)) engine.reading(reading(sensor, T0_MS + 1000));
    expect(engine.work.touched).toHaveLength(3 * FEW);
    expect(due).not.toHaveBeenCalled();
  });

  test('with one, the sensor is one series more, and needs no database row', () => {
    const rules = rulesOf({ offline_after: 'auto', metrics: { temperature: { max: 30 } } });
    const engine = new AlertEngine(rules);
    engine.connected(T0_MS);
    let rows = 0;
    for (let minute = 0; minute < 100; minute++) {
      engine.begin();
      for (const sensor of sensors(FEW)) engine.reading(reading(sensor, T0_MS + minute * 60_000));
      expect(engine.work.touched).toHaveLength(2 * FEW);
      rows += batchOfWork(engine.work, alertId).states.length;
      engine.commit();
    }
    // Once, when the rhythm is known.
    expect(rows).toBe(FEW);
  });
});

describe('sensors of a gateway that comes back', () => {
  test('are evaluated in bounded slices, and again when each has had its time', () => {
    const engine = new AlertEngine(rulesOf({ offline_after: '10m' }));
    const hub = sensorOf('hub', { id: 9999 });
    const behind = sensors(FEW).map((sensor) => ({ ...sensor, gateway: 'hub' }));
    engine.connected(T0_MS);
    const availability = (sensor: typeof hub, atMs: number, online: number) =>
      engine.reading({ ...reading(sensor, atMs), metrics: new Map([[AVAILABILITY, online]]) });
    engine.begin();
    for (const sensor of [hub, ...behind]) engine.reading(reading(sensor, T0_MS));
    for (const sensor of [hub, ...behind]) availability(sensor, T0_MS + 1000, 0);
    engine.commit();
    engine.begin();
    availability(hub, T0_MS + 60_000, 1);
    engine.commit();
    const slices = (untilMs: number) => {
      let notified = 0;
      for (let slice = 0; engine.nextDueMs <= untilMs; slice++) {
        expect(slice).toBeLessThan(3 * FEW);
        engine.begin();
        engine.tick(untilMs, 50);
        expect(engine.work.touched.length).toBeLessThanOrEqual(50);
        notified += engine.work.effects.length;
        engine.commit();
      }
      return notified;
    };
    expect(slices(T0_MS + 65_000)).toBe(0);
    engine.begin();
    engine.reading(reading(hub, T0_MS + 500_000));
    engine.commit();
    expect(slices(T0_MS + 659_000)).toBe(0);
    expect(slices(T0_MS + 661_000)).toBe(FEW);
  });
});

describe('ten times the sensors', () => {
  test('are ten times the comparisons among deadlines of one moment', () => {
    const comparisons = (count: number) => {
      let asked = 0;
      const timers = new Timers<TimerOwner>();
      for (let id = 0; id < count; id++) {
        const owner = {
          armedMs: Infinity,
          rank: 0,
          metric: 'temperature',
          get sensorId() {
            asked++;
            return id;
          },
        };
        timers.arm(owner, 1000);
      }
      while (timers.take(1000) !== undefined);
      return asked;
    };
    expect(comparisons(MANY)).toBeLessThan(LINEAR * comparisons(FEW));
  });

  test('that all fall silent take ten times the calls, in bounded slices', () => {
    const calls = (count: number) => {
      const engine = heardOnce(count);
      const tick = jest.spyOn(Series.prototype, 'tick');
      const due = jest.spyOn(Series.prototype, 'nextDueMs');
      let rows = 0;
      while (engine.nextDueMs <= T0_MS + 20 * 60_000) {
        engine.begin();
        engine.tick(T0_MS + 20 * 60_000, 100);
        const { effects, touched } = engine.work;
        expect(effects.length).toBeLessThanOrEqual(100);
        expect(touched.length).toBeLessThanOrEqual(100);
        rows += effects.length;
        engine.commit();
      }
      expect(rows).toBe(3 * count);
      const work = tick.mock.calls.length + due.mock.calls.length;
      jest.restoreAllMocks();
      return work;
    };
    expect(calls(MANY)).toBeLessThanOrEqual(LINEAR * calls(FEW));
  });

  test('that are silenced together take ten times the calls', () => {
    const calls = (count: number) => {
      const engine = new AlertEngine(rulesOf({ metrics: { temperature: { max: 30 } } }));
      engine.begin();
      for (const sensor of sensors(count))
        engine.reading({ ...reading(sensor, T0_MS), metrics: new Map([['temperature', 40]]) });
      engine.commit();
      const all = { id: '1', matchers: {}, startsMs: T0_MS, endsMs: T0_MS + 1e9, by: 'ann', comment: '' };
      engine.silence([all], T0_MS);
      const stateIn = jest.spyOn(Series.prototype, 'stateIn');
      let deferred = 0;
      while (engine.nextDueMs <= T0_MS) {
        engine.begin();
        engine.tick(T0_MS, 50);
        expect(engine.work.touched.length).toBeLessThanOrEqual(50);
        deferred += engine.work.touched.length;
        engine.commit();
      }
      expect(deferred).toBe(count);
      const work = stateIn.mock.calls.length;
      jest.restoreAllMocks();
      return work;
    };
    expect(calls(MANY)).toBeLessThanOrEqual(LINEAR * calls(FEW));
  });

  test('that all explain others and come one after the other are evaluated because of their own group alone', () => {
    const config = (equal: string) =>
      rulesOf({
        metrics: { temperature: { max: 30 } },
        inhibit: [{ source: { alert_type: '*' }, target: { severity: 'warning' }, equal: [equal] }],
      });
    const looks = (equal: string, count: number) => {
      const engine = new AlertEngine(config(equal));
      const looked = jest.spyOn(Series.prototype, 'stateIn');
      sensors(count).forEach((sensor, index) => {
        const atMs = T0_MS + index * 2000;
        engine.begin();
        engine.tick(atMs);
        engine.reading({ ...reading(sensor, atMs), metrics: new Map([['temperature', 40]]) });
        engine.commit();
      });
      const work = looked.mock.calls.length;
      jest.restoreAllMocks();
      return work;
    };
    for (const equal of ['sensor', 'metric']) expect(looks(equal, 20_000)).toBeLessThanOrEqual(20_000);
  });

  test('cost a reading of one of them nothing more, whatever is due for the others', () => {
    const engine = heardOnce(MANY);
    const due = jest.spyOn(Series.prototype, 'nextDueMs');
    engine.begin();
    engine.reading(reading(sensorOf('s1'), T0_MS + 30 * 60_000));
    expect(due.mock.calls.length).toBeLessThan(20);
    const { touched, effects } = engine.work;
    expect(touched).toHaveLength(3);
    // It was silent until now: only its own state is notified.
    expect(effects.map(({ effect }) => effect.transition).sort()).toEqual([
      ...Array<string>(3).fill('firing'),
      ...Array<string>(3).fill('resolved'),
    ]);
  });

  test('with an override each take ten times the reads of overrides', () => {
    const looked = (count: number) => {
      const config = alertsSchema.parse({
        metrics: { temperature: { max: 30 } },
        overrides: sensors(count).map(({ key }) => ({ sensor: key, metrics: { temperature: { max: 8 } } })),
      });
      let asked = 0;
      const overrides = new Proxy(config.overrides, {
        get: (target, name, receiver) => {
          asked++;
          return Reflect.get(target, name, receiver) as unknown;
        },
      });
      const rules = new RuleSet({ ...config, overrides });
      const compiled = sensors(count).map((sensor) => rules.rulesFor(sensor).named[0]);
      // The same limit under other names is one object.
      expect(new Set(compiled).size).toBe(1);
      return asked;
    };
    expect(looked(MANY)).toBeLessThan(LINEAR * looked(FEW));
  });

  test('are read back in slices, each state row and sensor once', async () => {
    const count = 12_000;
    const calls: number[] = [];
    const row = (sensorId: number): AlertStateRow => ({
      sensorId,
      metric: 'temperature',
      kind: 'threshold',
      side: 'high',
      alertType: 'temperature_high',
      state: 'firing',
      alertId: null,
      severity: 'warning',
      sinceUs: null,
      startedAtUs: T0_US,
      firedAtUs: T0_US,
      threshold: 30,
      peakValue: 31,
      seq: 1,
      lastEventUs: T0_US,
      lastValue: 31,
      ruleHash: '',
      detail: {},
    });
    const store: AlertStore = {
      loadStates: async () => sensors(count).map(({ id }) => row(id)),
      loadWaiting: async () => ({ rows: [], upTo: '0' }),
      loadReadings: async () => [],
      pendingNotifications: async () => [],
      markSent: async () => undefined,
    };
    const lastReadings: LastReadings = async (spans) => {
      calls.push(spans.length);
      return [];
    };
    const { states } = await loadEngine(
      THREE,
      sensors(count),
      { store, lastReadings },
      { nowUs: T0_US, group: '' },
    );
    expect(states).toBe(count);
    // Once for the states, once for the expected sensors.
    expect(calls).toEqual([...Array.from({ length: 24 }, () => 500), 5000, 5000, 2000]);
  });
});

test('what is read of sensors that are new to a process counts, where a later query takes too long for the attempt', async () => {
  const metrics = { temperature: { max: 30 }, humidity: { max: 80 }, battery: { min: 20 } };
  const engine = new AlertEngine(rulesOf({ metrics }));
  const asked: number[][] = [];
  const attempt = async (most: number) => {
    const given = new AbortController();
    const lastReadings: LastReadings = async (spans, metrics) => {
      asked.push([spans.length, metrics?.size ?? NaN]);
      if (asked.length === most) given.abort();
      return [];
    };
    const values = new Map([['temperature', 20]]);
    const readings = sensors(1200).map((sensor) => ({
      ...{ sensor, timeUs: T0_US, receivedAtMs: T0_MS, metrics: values },
    }));
    await prepareEngine(engine, readings, lastReadings, given.signal);
  };
  await attempt(2);
  await attempt(Infinity);
  // Three metrics of three rules: nothing is read of a metric that no rule is about.
  expect(asked).toEqual([500, 500, 500, 200].map((count) => [count, 3]));
});

describe('numbers that wait for earlier ones', () => {
  const LATE = rulesOf({ allowed_lateness: '2s', metrics: { temperature: { max: 30 } } });
  const COUNT = 500;

  function waiting(valueOf: (n: number) => number): AlertEngine {
    const engine = new AlertEngine(LATE);
    engine.begin();
    for (let n = 0; n < COUNT; n++)
      engine.reading({
        sensor: sensorOf('s1'),
        ...{ timeUs: T0_US + n * 1000, receivedAtMs: T0_MS + n },
        metrics: new Map([['temperature', valueOf(n)]]),
      });
    engine.commit();
    return engine;
  }

  test('one run evaluates all that are quiet, whenever each of them arrived', () => {
    const engine = waiting(() => 20);
    engine.tick(T0_MS + 10_000, 1);
    expect(engine.work.touched.map(({ last, held }) => [last?.timeUs, held.length])).toEqual([
      [T0_US + (COUNT - 1) * 1000, 0],
    ]);
    engine.commit();
    expect(engine.nextDueMs).toBe(Infinity);
  });

  test('those from the first that is not are processed by the clock, among all series', () => {
    const engine = waiting((n) => (n === 100 ? 50 : 20));
    engine.tick(T0_MS + 10_000, 1);
    const [series] = engine.work.touched;
    expect([series?.last?.timeUs, engine.work.effects.length]).toEqual([T0_US + 99 * 1000, 0]);
    engine.commit();
    expect(engine.nextDueMs).toBe(T0_MS + 100 + 2000);
    engine.tick(T0_MS + 10_000);
    expect(engine.work.effects.map(({ effect }) => effect.transition)).toEqual(['firing', 'resolved']);
    expect(engine.work.touched[0]?.held.length).toBe(0);
  });
});
