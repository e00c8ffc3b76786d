import { describe, expect, test } from '@jest/globals';
import { T0_US, rulesOf, withRule } from './support.ts';
import { MemoryStore, SENSOR, reading, run, setUp } from './alert-manager-setup.ts';

describe('the alerting service', () => {
  test('a storm gives one row, one line to each log, one resolved line', async () => {
    const daemon = setUp();
    await daemon.alertManager.load([SENSOR]);
    await run(daemon, reading(0, 31), reading(60, 32));
    await run(daemon, reading(120, 33));
    expect(daemon.alertManager.firing()).toBe(1);
    await run(daemon, reading(180, 29));
    expect(daemon.alertLines().map(([level, { event }]) => [level, event])).toEqual([
      ['warn', 'firing'],
      ['info', 'resolved'],
    ]);
    expect(daemon.lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 'warn', event: 'firing', seq: 1, sensor: 's1', value: 31, threshold: 30, persisted: true },
      { level: 'info', event: 'resolved', seq: 2, duration_s: 180, resolved_value: 29, peak_value: 33 },
    ]);
    expect(await daemon.store.pendingNotifications()).toEqual([]);
    expect(daemon.alertManager.firing()).toBe(0);
    expect(daemon.metrics.scrape().get('fieldwatch_alerts_raised_total{severity=warning}')).toBe(1);
  });

  test('a batch that is evaluated again gives the same and counts once', async () => {
    const daemon = setUp();
    const batch = [reading(0, 31), reading(60, 29)];
    await daemon.alertManager.prepare(batch);
    const dropped = await daemon.alertManager.evaluate(batch);
    const kept = await daemon.alertManager.evaluate(batch);
    expect(kept.batch).toEqual(dropped.batch);
    kept.commit();
    expect(daemon.metrics.scrape().get('fieldwatch_alert_values_total{outcome=evaluated}')).toBe(2);
    expect((await daemon.alertManager.evaluate(batch)).batch.notifications).toEqual([]);
  });

  /** As many alerts of one message. */
  const storm = (sensors: number) =>
    Array.from({ length: sensors }, (_, id) => ({
      ...reading(0, 31),
      sensor: { ...SENSOR, id, key: `s${id}` },
    }));

  test('thousands of alerts of one message give way to other work, and are the same as those of small batches', async () => {
    const daemon = setUp();
    const batch = storm(5000);
    await daemon.alertManager.prepare(batch);
    let passes = 0;
    let done = false;
    const count = () => {
      passes++;
      if (!done) setImmediate(count);
    };
    setImmediate(count);
    const { batch: made } = await daemon.alertManager.evaluate(batch);
    done = true;
    // Readings, states and alerts, a thousand at a time.
    expect(passes).toBeGreaterThanOrEqual(12);
    expect(made.raised.map(({ sensorId }) => sensorId)).toEqual(batch.map(({ sensor }) => sensor.id));
    const small = setUp();
    for (let at = 0; at < batch.length; at += 1000) {
      const part = batch.slice(at, at + 1000);
      await small.alertManager.prepare(part);
      const evaluation = await small.alertManager.evaluate(part);
      expect(evaluation.batch).toEqual({
        states: made.states.slice(at, at + 1000),
        raised: made.raised.slice(at, at + 1000),
        notifications: made.notifications.slice(at, at + 1000),
        ...{ resolved: [], acked: [], flapping: [] },
      });
      evaluation.commit();
    }
  });

  test('so do a few readings of very many values', async () => {
    const daemon = setUp(new MemoryStore(), rulesOf({ metrics: { '*': { max: 5 } } }));
    const metrics = new Map(Array.from({ length: 1000 }, (_, k) => [`k${k}`, 9]));
    const batch = [1, 2, 3].map((id) => ({
      ...reading(0, 0),
      metrics,
      sensor: { ...SENSOR, id, key: `s${id}` },
    }));
    await daemon.alertManager.prepare(batch);
    const evaluation = daemon.alertManager.evaluate(batch);
    await new Promise(setImmediate);
    // Two of the readings are still to come.
    await daemon.alertManager.evaluate([]);
    await expect(evaluation).rejects.toThrow('has begun meanwhile');
    expect((await daemon.alertManager.evaluate(batch)).batch.raised).toHaveLength(3000);
  });

  test('an evaluation that another has overtaken is refused, and does nothing to that one', async () => {
    const daemon = setUp();
    const batch = storm(3000);
    await daemon.alertManager.prepare(batch);
    const overtaken = daemon.alertManager.evaluate(batch);
    const kept = daemon.alertManager.evaluate(batch.slice(0, 10));
    await expect(overtaken).rejects.toThrow('another evaluation of alerts has begun meanwhile');
    expect((await kept).batch.raised).toHaveLength(10);
  });

  test('a firing alert goes on after a restart and is not published again', async () => {
    const before = setUp();
    await run(before, reading(0, 31));
    const after = setUp(before.store);
    await after.alertManager.load([SENSOR]);
    expect(after.alertManager.firing()).toBe(1);
    await run(after, reading(60, 32));
    expect(after.alertLines()).toEqual([]);
    const batch = await run(after, reading(120, 29));
    expect(batch.resolved).toMatchObject([{ firedAtUs: T0_US, peakValue: 32 }]);
  });

  test('what was committed and not published is published once after a restart', async () => {
    const before = setUp();
    const batch = [reading(0, 31)];
    const evaluation = await before.alertManager.evaluate(batch);
    before.store.commit(evaluation.batch, batch);
    const after = setUp(before.store);
    await after.alertManager.load([SENSOR]);
    await after.alertManager.stop();
    expect(after.alertLines()).toHaveLength(1);
    // The broker delivers the batch again: its acknowledgement was lost with the process.
    await run(after, ...batch);
    const third = setUp(before.store);
    await third.alertManager.load([SENSOR]);
    expect([...after.alertLines(), ...third.alertLines()]).toHaveLength(1);
  });

  test('last events come from stored readings, in one bounded query for the sensors that are new', async () => {
    const before = setUp();
    await run(before, reading(0, 25), reading(60, 29));
    const after = setUp(before.store);
    before.store.spans.length = 0;
    const batch = await run(after, reading(30, 35), reading(60, 35), reading(700, 35));
    expect(before.store.spans).toEqual([
      { sensorId: 1, fromUs: T0_US + 30e6 - 600e6, toUs: T0_US + 30e6 + 300e6 },
    ]);
    expect(batch.raised.map(({ timeUs }) => timeUs)).toEqual([T0_US + 700e6]);
    await run(after, reading(800, 35));
    expect(before.store.spans).toHaveLength(1);
  });

  test('so they do where only the sensor itself is watched', async () => {
    const rules = () => rulesOf({ offline_after: '10m', metrics: { temperature: { max: 30 } } });
    const daemon = setUp(undefined, rules());
    await run(daemon, reading(0, 31), reading(60, 29));
    const restarted = setUp(daemon.store, rules());
    await restarted.alertManager.load([SENSOR]);
    const batch = await run(restarted, reading(0, 31));
    expect(batch.raised).toEqual([]);
  });

  test('after a failed query the sensors are read again', async () => {
    const daemon = setUp();
    daemon.store.failing = true;
    await expect(daemon.alertManager.prepare([reading(0, 25)])).rejects.toThrow('away');
    daemon.store.failing = false;
    await daemon.alertManager.prepare([reading(0, 25)]);
    expect(daemon.store.spans).toHaveLength(1);
  });

  test('an outbox that cannot be published is published with the next batch', async () => {
    const daemon = setUp();
    await run(daemon, reading(0, 31));
    daemon.store.failing = true;
    await run(daemon, reading(60, 29));
    expect(await daemon.store.pendingNotifications()).toHaveLength(1);
    daemon.store.failing = false;
    await run(daemon, reading(120, 31));
    expect(await daemon.store.pendingNotifications()).toEqual([]);
  });

  test('a rule removed while the daemon was down ends its alert with the first batch', async () => {
    const before = setUp();
    await run(before, reading(0, 31));
    const after = setUp(before.store, rulesOf({}));
    await after.alertManager.load([SENSOR]);
    const batch = await run(after);
    expect(batch.resolved).toMatchObject([{ reason: 'rule_removed', firedAtUs: T0_US }]);
    expect(before.store.states.size).toBe(0);
    expect((await run(after)).resolved).toEqual([]);
  });

  test('a reload has no effect until it is committed', async () => {
    const daemon = setUp();
    await run(daemon, reading(0, 35));
    expect(daemon.alertManager.reload(withRule({ max: 40 })).batch.resolved).toMatchObject([
      { reason: 'rule_changed' },
    ]);
    expect(daemon.alertManager.firing()).toBe(1);
    daemon.alertManager.reload(withRule({ max: 40 })).commit();
    expect(daemon.alertManager.firing()).toBe(0);
  });
});
