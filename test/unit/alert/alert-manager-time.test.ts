import { describe, expect, test } from '@jest/globals';
import type { Sensor } from '../../../src/ports/sensors.ts';
import { BackpressureMonitor } from '../../../src/services/alert/backpressure-monitor.ts';
import type { EvaluatedReading } from '../../../src/services/alert/state-loader.ts';
import { IngestBatch, type IngestRow } from '../../../src/services/ingest/batch.ts';
import { D, T0_US, rulesOf, withRule } from './support.ts';
import { SENSOR, connected, pass, reading, run, setUp, start } from './alert-manager-setup.ts';

describe('due times', () => {
  test('a queued rule change is evaluated in time after a reload', async () => {
    const late = rulesOf({ allowed_lateness: '30s', metrics: { temperature: { max: 30 } } });
    const daemon = setUp(undefined, late);
    const committed = start(daemon);
    await run(daemon, reading(0, 31));
    daemon.alertManager.reload(late, [SENSOR]).commit();
    await pass(daemon, 33);
    expect(committed.flatMap(({ raised }) => raised)).toMatchObject([{ timeUs: T0_US }]);
  });

  test('new rules watch for the silence of sensors not received since the start', async () => {
    const daemon = setUp(undefined, rulesOf({}));
    const committed = start(daemon);
    daemon.alertManager.onConnectivity(connected);
    const other = { ...SENSOR, id: 2, key: 's2' };
    await run(daemon, reading(0, 25));
    await pass(daemon, 60);
    const rules = withRule({ no_data_after: '100s' });
    const expected = await daemon.alertManager.expectedBy(rules, [SENSOR, other]);
    daemon.alertManager.reload(rules, [SENSOR, other], expected).commit();
    await pass(daemon, 110);
    expect(committed.flatMap(({ raised }) => raised)).toMatchObject([
      // Since it was last received, and since the reload.
      { sensorId: 1, timeUs: T0_US + 100e6 },
      { sensorId: 2, timeUs: T0_US + 160e6 },
    ]);
  });

  test('held fires at its deadline; nothing is committed before', async () => {
    const daemon = setUp(undefined, withRule({ for: '5m', for_mode: 'held' }));
    const committed = start(daemon);
    await run(daemon, reading(0, 31));
    await pass(daemon, 301);
    expect(committed).toEqual([]);
    await pass(daemon, 2);
    expect(committed.flatMap(({ raised }) => raised)).toMatchObject([{ timeUs: T0_US + 300e6, value: 31 }]);
    await pass(daemon, 10);
    expect(committed).toHaveLength(1);
    await daemon.alertManager.stop();
    expect(daemon.clock.pending).toBe(0);
  });

  test('silence fires while the broker is connected, and one line reports when it is not', async () => {
    const daemon = setUp(undefined, withRule({ no_data_after: '1m' }));
    const committed = start(daemon);
    await daemon.alertManager.load([SENSOR]);
    daemon.alertManager.onConnectivity(connected);
    await run(daemon, reading(0, 25));
    daemon.alertManager.onConnectivity({ state: 'disconnected', reason: 'gone', retryInMs: 1 });
    daemon.alertManager.onConnectivity({ state: 'disconnected', reason: 'gone', retryInMs: 1 });
    await pass(daemon, 100);
    expect(committed.flatMap(({ raised }) => raised)).toEqual([]);
    expect(daemon.logged.filter(([, { event }]) => event === 'collector_disconnected')).toHaveLength(1);
    daemon.alertManager.onConnectivity(connected);
    await pass(daemon, 63);
    expect(committed.flatMap(({ raised }) => raised)).toMatchObject([
      { alertType: 'temperature_no_data', timeUs: T0_US + 160e6, value: 60 },
    ]);
  });

  describe('while commits wait', () => {
    const waits = (daemon: ReturnType<typeof setUp>) => {
      const queue: IngestBatch[] = [];
      const backpressure = new BackpressureMonitor({
        waiting: () => queue,
        alertManager: daemon.alertManager,
        clock: daemon.clock,
      });
      backpressure.start();
      return {
        arrive: (each: EvaluatedReading) => {
          const batch = new IngestBatch(daemon.clock.monotonicMs());
          batch.rowList.push({ ...each, receivedAtMs: daemon.clock.nowMs() } as IngestRow);
          queue.push(batch);
        },
        leave: () => queue.shift(),
      };
    };

    test('a received reading is evaluated before the silence that it ends', async () => {
      const daemon = setUp(undefined, withRule({ no_data_after: '20s' }));
      const committed = start(daemon);
      const ingest = waits(daemon);
      await daemon.alertManager.load([SENSOR]);
      daemon.alertManager.onConnectivity(connected);
      await run(daemon, reading(0, 25));
      await pass(daemon, 18);
      ingest.arrive(reading(18, 25));
      await pass(daemon, 9);
      await run(daemon, reading(18, 25));
      ingest.leave();
      await pass(daemon, 5);
      expect(committed.flatMap(({ raised }) => raised)).toEqual([]);
      await pass(daemon, 20);
      expect(committed.flatMap(({ raised }) => raised)).toMatchObject([{ timeUs: T0_US + 38e6 }]);
    });

    test('after a long time of it silence counts from its end: the broker may have kept readings back', async () => {
      const daemon = setUp(undefined, withRule({ no_data_after: '20s' }));
      const committed = start(daemon);
      const ingest = waits(daemon);
      await daemon.alertManager.load([SENSOR]);
      daemon.alertManager.onConnectivity(connected);
      await run(daemon, reading(0, 25));
      ingest.arrive(reading(1, 25));
      await pass(daemon, 60);
      ingest.leave();
      await pass(daemon, 15);
      expect(committed.flatMap(({ raised }) => raised)).toEqual([]);
      await pass(daemon, 10);
      expect(committed.flatMap(({ raised }) => raised)).toMatchObject([{ timeUs: T0_US + 80.5e6 }]);
    });
  });

  test('silence fires also where the broker was there before the state could be read', async () => {
    const daemon = setUp(undefined, withRule({ no_data_after: '1m' }));
    const committed = start(daemon);
    daemon.alertManager.onConnectivity(connected);
    await daemon.alertManager.load([SENSOR]);
    await run(daemon, reading(0, 25));
    await pass(daemon, 63);
    expect(committed.flatMap(({ raised }) => raised)).toMatchObject([{ alertType: 'temperature_no_data' }]);
  });

  test('sensors that are read again while it runs keep their silence, and retired ones are not missed', async () => {
    const other = { ...SENSOR, id: 2, key: 's2' };
    const rules = () =>
      rulesOf({ offline_after: '2m', metrics: { temperature: { max: 30, no_data_after: '2m' } } });
    const daemon = setUp(undefined, rules());
    const committed = start(daemon);
    await daemon.alertManager.load([SENSOR, other]);
    daemon.alertManager.onConnectivity(connected);
    const both = (atS: number, value: number) => [
      reading(atS, value),
      { ...reading(atS, value), sensor: other },
    ];
    await run(daemon, ...both(0, 25));
    await pass(daemon, 100);
    await run(daemon, ...both(100, 31));
    await pass(daemon, 100);
    const sensors = (retired: Sensor['retired']) => ({
      sensorSeq: 1,
      all: () => [SENSOR, { ...other, retired: retired ?? null }],
    });
    await daemon.alertManager.sensorsChanged(sensors('for_good'));
    await pass(daemon, 15);
    // Neither is missed yet: their last messages are known still.
    const rows = () =>
      committed.flatMap(({ raised, resolved }) => [
        ...raised.map(({ sensorId, alertType }) => `F ${sensorId} ${alertType}`),
        ...resolved.map(({ sensorId, alertType, reason }) => `R ${sensorId} ${alertType} ${reason}`),
      ]);
    expect(rows()).toEqual(['R 2 temperature_high retired']);
    await pass(daemon, 300);
    expect(rows().slice(1)).toEqual(['F 1 offline']);
    await run(daemon, ...both(515, 40));
    expect(daemon.store.outbox.at(-1)).toMatchObject({
      sensorId: 1,
      event: 'resolved',
      reason: 'data_resumed',
    });
    await daemon.alertManager.stop();
  });

  test('a gateway that registers with its first sensor is missed by the silence of that', async () => {
    const rules = () => rulesOf({ offline_after: '2m', overrides: [{ sensor: 'hub', offline_after: '1m' }] });
    const daemon = setUp(undefined, rules());
    const committed = start(daemon);
    const [d1, hub] = [
      { ...SENSOR, key: 'd1', gateway: 'hub' },
      { ...SENSOR, id: 2, key: 'hub' },
    ];
    daemon.alertManager.onConnectivity(connected);
    await run(daemon, { ...reading(0, 20), sensor: d1 });
    // As the wiring does when the registry says that there is a new one.
    daemon.alertManager.reload(rules(), [d1, hub]).commit();
    await pass(daemon, 30);
    await run(daemon, { ...reading(30, 20), sensor: d1 });
    await pass(daemon, 140);
    expect(committed.flatMap(({ raised }) => raised)).toMatchObject([
      { sensorId: 2, alertType: 'offline', timeUs: T0_US + 90e6, suppressed: null },
      { sensorId: 1, alertType: 'offline', timeUs: T0_US + 150e6, suppressed: 'inhibition' },
    ]);
    await daemon.alertManager.stop();
  });

  test('what is missed already is not missed as a sensor, too, when its readings are too old to be found', async () => {
    const daemon = setUp(undefined, withRule({ no_data_after: '1m' }));
    start(daemon);
    daemon.alertManager.onConnectivity(connected);
    await daemon.alertManager.load([SENSOR]);
    await run(daemon, reading(0, 25));
    await pass(daemon, 63);
    daemon.store.readings.length = 0;
    const restarted = setUp(daemon.store, withRule({ no_data_after: '1m' }));
    const committed = start(restarted);
    restarted.alertManager.onConnectivity(connected);
    await restarted.alertManager.load([SENSOR]);
    await pass(restarted, 200);
    expect(committed.flatMap(({ raised }) => raised)).toEqual([]);
    expect(restarted.alertManager.firing()).toBe(1);
  });

  test('many silent sensors: bounded slices one after the other, two lines and for each its row', async () => {
    const many = Array.from({ length: 4800 }, (_, index) => ({
      ...SENSOR,
      id: index + 1,
      key: `s${index + 1}`,
    }));
    const daemon = setUp(undefined, withRule({ no_data_after: '1m' }));
    const slices: number[] = [];
    daemon.alertManager.start(async (evaluate) => {
      const evaluation = evaluate();
      slices.push(evaluation.batch.raised.length);
      evaluation.commit();
      daemon.alertManager.publish(evaluation.batch.notifications);
    });
    await daemon.alertManager.load(many);
    daemon.alertManager.onConnectivity(connected);
    daemon.clock.advance(63_000);
    await new Promise(setImmediate);
    expect(slices).toEqual([2000, 2000, 800]);
    await pass(daemon, 10);
    expect(daemon.alertLines()).toMatchObject(
      [2000, 2800].map((alerts) => ['warn', { event: 'no_data_group', alerts, sensors: alerts }]),
    );
    expect(daemon.alertLines()[0]?.[1]['first']).toEqual(['s1', 's2', 's3', 's4', 's5']);
    // The alert log is the record: it has them all.
    await daemon.alertManager.stop();
    expect(daemon.lines).toHaveLength(4800);
  }, 60_000);

  test('sensors that come back together are one line, too, and stragglers another', async () => {
    const several = Array.from({ length: 25 }, (_, index) => ({
      ...SENSOR,
      id: index + 1,
      key: `s${index + 1}`,
    }));
    const daemon = setUp(undefined, withRule({ no_data_after: '1m' }));
    start(daemon);
    await daemon.alertManager.load(several);
    daemon.alertManager.onConnectivity(connected);
    await pass(daemon, 63);
    const back = several.map((sensor) => ({ ...reading(64, 25), sensor }));
    await run(daemon, ...back.slice(0, 22));
    await run(daemon, ...back.slice(22));
    const resolved = daemon.alertLines().filter(([level]) => level === 'info');
    expect(resolved.map(([, { event, transition, alerts }]) => [event, transition, alerts])).toEqual([
      ['no_data_group', 'resolved', 22],
    ]);
    await daemon.alertManager.stop();
    expect(daemon.alertLines().at(-1)).toMatchObject([
      'info',
      { event: 'no_data_group', transition: 'resolved', alerts: 3, total: 25 },
    ]);
  });

  describe('very many alerts under other rules', () => {
    const MANY = 4400;
    const fleet = Array.from({ length: MANY }, (_, index) => ({
      ...SENSOR,
      id: index + 1,
      key: `s${index + 1}`,
    }));
    const burning = async () => {
      const daemon = setUp();
      await run(daemon, ...fleet.map((sensor) => ({ ...reading(0, 35), sensor })));
      expect(daemon.alertManager.firing()).toBe(MANY);
      return daemon;
    };
    const commitReload = (
      { alertManager, store }: ReturnType<typeof setUp>,
      rules: ReturnType<typeof rulesOf>,
    ) => {
      const evaluation = alertManager.reload(rules, fleet);
      store.commit(evaluation.batch);
      evaluation.commit();
      return evaluation.batch.resolved.length;
    };

    test('are ended in slices, the last of them within seconds; the new rules are in force from the first on', async () => {
      const daemon = await burning();
      const committed = start(daemon);
      expect(commitReload(daemon, rulesOf({}))).toBe(2000);
      expect(daemon.alertManager.firing()).toBe(MANY - 2000);
      // One whose end is still to be written: no rule asks anything of its reading any more.
      const batch = await run(daemon, { ...reading(60, 36), sensor: fleet.at(-1) ?? SENSOR });
      expect(batch.resolved).toMatchObject([{ sensorId: MANY, reason: 'rule_removed' }]);
      await pass(daemon, 1);
      expect(committed.map(({ resolved }) => resolved.length)).toEqual([2000, 399]);
      expect(new Set(committed.flatMap(({ resolved }) => resolved.map(({ reason }) => reason)))).toEqual(new Set(['rule_removed'])); // prettier-ignore
      expect(daemon.store.states.size).toBe(0);
      expect(daemon.alertManager.firing()).toBe(0);
      await daemon.alertManager.stop();
    }, 60_000);

    test('a changed rule is evaluated with the last value before a reading is', async () => {
      const daemon = await burning();
      commitReload(daemon, withRule({ max: 40 }));
      const sensor = fleet.at(-1) ?? SENSOR;
      const batch = await run(daemon, { ...reading(60, 41), sensor });
      expect(batch.resolved).toMatchObject([{ reason: 'rule_changed', resolvedValue: 35 }]);
      expect(batch.raised).toMatchObject([{ sensorId: MANY, value: 41, threshold: 40 }]);
      await daemon.alertManager.stop();
    }, 60_000);

    test('survive a second reload and a restart half way', async () => {
      const daemon = await burning();
      commitReload(daemon, withRule({ max: 40 }));
      // The next file removes the rule: of the many queued changes none is lost, and none is evaluated twice.
      expect(commitReload(daemon, rulesOf({}))).toBe(2000);
      expect(commitReload(daemon, rulesOf(D))).toBe(400);
      expect(daemon.store.states.size).toBe(0);
      const after = setUp((await burning()).store, rulesOf({}));
      await after.alertManager.load(fleet);
      const resolved: number[] = [];
      for (let slice = 0; slice < 2; slice++) {
        const evaluation = after.alertManager.tick();
        after.store.commit(evaluation.batch);
        evaluation.commit();
        resolved.push(evaluation.batch.resolved.length);
      }
      const again = setUp(after.store, rulesOf({}));
      await again.alertManager.load(fleet);
      const last = again.alertManager.tick();
      again.store.commit(last.batch);
      last.commit();
      expect([...resolved, last.batch.resolved.length]).toEqual([2000, 2000, 400]);
      expect(again.store.states.size).toBe(0);
    }, 60_000);
  });

  test('what comes due while a run is committed waits for the next one, with all that is due by then', async () => {
    const daemon = setUp(
      undefined,
      rulesOf({ allowed_lateness: '2s', metrics: { temperature: { max: 30 } } }),
    );
    let commits = 0;
    daemon.alertManager.start(async (evaluate) => {
      const evaluation = evaluate();
      // As long as a commit takes.
      daemon.clock.advance(10);
      evaluation.commit();
      commits++;
    });
    // One each 10 ms for a second: each of them is due at a moment of its own.
    await run(daemon, ...Array.from({ length: 101 }, (_, n) => reading(n / 100, 20)));
    for (let second = 0; second < 6; second++) {
      daemon.clock.advance(1000);
      await new Promise(setImmediate);
    }
    expect(commits).toBeGreaterThan(0);
    expect(commits).toBeLessThanOrEqual(3);
    // And all of them were looked at: what is older than the newest is late.
    await run(daemon, reading(0.5, 31));
    expect(daemon.alertManager.firing()).toBe(0);
    expect(daemon.metrics.values.get('fieldwatch_alert_values_total{outcome=late}')).toBe(1);
  });

  test('a writer that gave up ends the run', async () => {
    const daemon = setUp(undefined, withRule({ for: '10s', for_mode: 'held' }));
    let asked = 0;
    daemon.alertManager.start(async () => void asked++);
    await run(daemon, reading(0, 31));
    await pass(daemon, 14);
    expect(asked).toBeLessThan(5);
  });

  test('a commit that fails is tried again at the next run', async () => {
    const daemon = setUp(undefined, withRule({ for: '10s', for_mode: 'held' }));
    let attempts = 0;
    daemon.alertManager.start(async (evaluate) => {
      const evaluation = evaluate();
      if (attempts++ === 0) throw new Error('away');
      evaluation.commit();
    });
    await run(daemon, reading(0, 31));
    await pass(daemon, 20);
    expect(attempts).toBe(2);
    expect(daemon.alertManager.firing()).toBe(1);
  });
});
