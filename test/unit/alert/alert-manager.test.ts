import { describe, expect, test } from '@jest/globals';
import type { AlertBatch, AlertNotification, AlertStateRow } from '../../../src/core/alert/model.ts';
import type { Silence } from '../../../src/core/alert/suppress/silence.ts';
import type {
  AlertStore,
  LastReading,
  OperatorStore,
  ReadingSpan,
  WaitingCommand,
} from '../../../src/ports/alerts.ts';
import type { Logger } from '../../../src/ports/metrics.ts';
import type { Sensor } from '../../../src/ports/sensors.ts';
import { createAlertManager } from '../../../src/services/alert/alert-manager.ts';
import { BackpressureMonitor } from '../../../src/services/alert/backpressure-monitor.ts';
import type { EvaluatedReading } from '../../../src/services/alert/state-loader.ts';
import { IngestBatch, type IngestRow } from '../../../src/services/ingest/batch.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { RecordingMetrics, settle } from '../../support/fakes.ts';
import { WatermarkRows, readingsIn } from '../../support/watermark-rows.ts';
import { D, T0_MS, T0_US, rulesOf, withRule } from './support.ts';

const SENSOR: Sensor = { id: 1, key: 's1', name: null, type: null, location: null, tags: [] };

/** What operators asked for. */
class MemoryOperatorStore implements OperatorStore {
  silences: Silence[] = [];
  commands: WaitingCommand[] = [];
  failing = false;
  readonly lines = new Map<string, AlertNotification>();

  async announce(lines: readonly AlertNotification[]) {
    if (this.failing) throw new Error('away');
    const fresh = lines.filter(({ alertId, seq }) => !this.lines.has(`${alertId} ${seq}`));
    for (const line of fresh) this.lines.set(`${line.alertId} ${line.seq}`, line);
    return fresh;
  }

  async poll() {
    if (this.failing) throw new Error('away');
    return { silences: [...this.silences], commands: [...this.commands] };
  }
}

/** The tables that the engine reads back, filled by what it commits. */
class MemoryStore implements AlertStore {
  readonly states = new Map<string, AlertStateRow>();
  readonly watermarks = new WatermarkRows();
  readonly outbox: AlertNotification[] = [];
  private readonly known = new Set<string>();
  readonly sent = new Set<string>();
  readonly readings: LastReading[] = [];
  readonly spans: ReadingSpan[] = [];
  failing = false;

  commit(batch: AlertBatch, readings: readonly EvaluatedReading[] = []): void {
    this.watermarks.write(batch.waiting);
    for (const row of batch.states) {
      const key = `${row.sensorId}|${row.alertType}`;
      if (row.state === 'ok') this.states.delete(key);
      else this.states.set(key, row);
    }
    for (const notification of batch.notifications) {
      if (!this.known.has(key(notification))) this.outbox.push(notification);
      this.known.add(key(notification));
    }
    for (const { sensor, timeUs, metrics } of readings)
      for (const [metric, value] of metrics)
        this.readings.push({ sensorId: sensor.id, metric, timeUs, value: value as number });
  }

  async loadStates() {
    return [...this.states.values()];
  }

  async loadWaiting(group: string) {
    return this.watermarks.load(group);
  }

  async loadReadings(spans: readonly ReadingSpan[]) {
    return readingsIn(this.readings, spans);
  }

  readonly lastReadings = async (spans: readonly ReadingSpan[]) => {
    if (this.failing) throw new Error('away');
    this.spans.push(...spans);
    return spans.flatMap(({ sensorId, fromUs, toUs }) => {
      const inside = this.readings.filter(
        (each) => each.sensorId === sensorId && each.timeUs >= fromUs && each.timeUs <= toUs,
      );
      const newest = inside.sort((a, b) => b.timeUs - a.timeUs)[0];
      return newest === undefined ? [] : [newest];
    });
  };

  async pendingNotifications() {
    return this.outbox.filter((each) => !this.sent.has(key(each)));
  }

  async markSent(sent: readonly Pick<AlertNotification, 'alertId' | 'seq'>[]) {
    if (this.failing) throw new Error('away');
    for (const each of sent) this.sent.add(key(each));
  }
}

const key = ({ alertId, seq }: Pick<AlertNotification, 'alertId' | 'seq'>) => `${alertId}|${seq}`;

function setUp(store = new MemoryStore(), rules = rulesOf(D)) {
  const lines: string[] = [];
  const logged: [string, Record<string, unknown>][] = [];
  const log = (level: string) => (fields: Record<string, unknown>, message: string) => {
    if (level !== 'debug') logged.push([level, { ...fields, message }]);
  };
  const logger = {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    child: () => logger,
  } as unknown as Logger;
  const clock = new FakeClock(T0_MS);
  const metrics = new RecordingMetrics();
  const alertLog = { write: (line: string) => void lines.push(line) };
  const operators = new MemoryOperatorStore();
  const alertManager = createAlertManager({
    rules,
    store,
    lastReadings: store.lastReadings,
    operators,
    logger,
    metrics,
    clock,
    alertLog,
  });
  const alertLines = () => logged.filter(([, { event }]) => event !== undefined);
  return { alertManager, operators, store, lines, logged, alertLines, metrics, clock };
}

const reading = (atS: number, value: number): EvaluatedReading => ({
  sensor: SENSOR,
  timeUs: T0_US + atS * 1e6,
  receivedAtMs: T0_MS + atS * 1000,
  metrics: new Map([['temperature', value]]),
});

async function run({ alertManager, store }: ReturnType<typeof setUp>, ...batch: EvaluatedReading[]) {
  await alertManager.prepare(batch);
  const evaluation = await alertManager.evaluate(batch);
  store.commit(evaluation.batch, batch);
  evaluation.commit();
  alertManager.publish(evaluation.batch.notifications);
  // The outbox is published in the background.
  await new Promise(setImmediate);
  return evaluation.batch;
}

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

  test('a failed query leaves the sensors to be asked for again', async () => {
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

  describe('as time passes', () => {
    const start = (daemon: ReturnType<typeof setUp>) => {
      const committed: AlertBatch[] = [];
      daemon.alertManager.start(async (evaluate) => {
        const evaluation = evaluate();
        daemon.store.commit(evaluation.batch);
        evaluation.commit();
        committed.push(evaluation.batch);
      });
      return committed;
    };
    const connected = {
      state: 'connected',
      sessionPresent: true,
      receiveMaximum: 100,
      protocolVersion: 5,
    } as const;
    /** The look at the deadlines is asynchronous: a second at a time. */
    const pass = async ({ clock }: ReturnType<typeof setUp>, seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        clock.advance(1000);
        await settle(1);
      }
    };

    const command = (more: Partial<WaitingCommand> = {}): WaitingCommand => ({
      ...{ id: '7', kind: 'ack', sensorId: 1, alertType: 'temperature_high', alertId: null, by: 'ann' },
      ...{ comment: '', ageMs: 0, ...more },
    });

    test('a command of an operator is carried out and marked in one batch', async () => {
      const daemon = setUp();
      const committed = start(daemon);
      await run(daemon, reading(0, 31));
      daemon.operators.commands = [command()];
      await pass(daemon, 2);
      daemon.operators.commands = [];
      expect(committed[0]).toMatchObject({
        acked: [{ ackedBy: 'ann', firedAtUs: T0_US }],
        commands: { outcomes: [{ id: '7', outcome: 'done' }] },
      });
      expect(daemon.store.states.get('1|temperature_high')?.detail).toMatchObject({ ack: { by: 'ann' } });
    });

    test('a command about an alert of another daemon is left to it, and given up after a while', async () => {
      const daemon = setUp();
      const committed = start(daemon);
      await run(daemon, reading(0, 31));
      daemon.operators.commands = [command({ alertType: 'humidity_high' })];
      await pass(daemon, 3);
      expect(committed).toEqual([]);
      daemon.operators.commands = [command({ alertType: 'humidity_high', ageMs: 60_000 })];
      await pass(daemon, 1);
      expect(committed[0]?.commands?.outcomes).toEqual([{ id: '7', outcome: 'not_open' }]);
    });

    test('silences are there before the first reading, and a new one is taken in while it runs', async () => {
      const silence = (endS: number): Silence => ({
        ...{ id: '1', matchers: { sensor: 's1' }, startsMs: T0_MS, endsMs: T0_MS + endS * 1000 },
        ...{ by: 'ann', comment: '' },
      });
      const daemon = setUp();
      daemon.operators.silences = [silence(60)];
      await daemon.alertManager.load([SENSOR]);
      const committed = start(daemon);
      expect((await run(daemon, reading(1, 31))).notifications).toMatchObject([{ suppressed: 'silence' }]);
      // While the operator store cannot be reached, what is known goes on.
      daemon.operators.failing = true;
      await pass(daemon, 10);
      daemon.operators.failing = false;
      daemon.operators.silences = [silence(20)];
      await pass(daemon, 15);
      expect(committed.flatMap(({ notifications }) => notifications)).toMatchObject([
        { event: 'firing', suppressed: null, eventTimeMs: T0_MS + 20_000 },
      ]);
      const restarted = setUp(daemon.store);
      await restarted.alertManager.load([SENSOR]);
      expect((await run(restarted, reading(60, 29))).notifications).toMatchObject([{ suppressed: null }]);
    });

    test('a silence has one line when it begins and one when it ends, also after a restart and of several daemons', async () => {
      const daemon = setUp();
      const silence: Silence = {
        ...{ id: '7', matchers: { sensor: 's1' }, startsMs: T0_MS, endsMs: T0_MS + 20_000 },
        ...{ by: 'ann', comment: 'door is open' },
      };
      daemon.operators.silences = [silence];
      await daemon.alertManager.load([SENSOR]);
      start(daemon);
      daemon.operators.failing = true;
      await pass(daemon, 2);
      daemon.operators.failing = false;
      await pass(daemon, 4);
      daemon.operators.silences = [{ ...silence, endedBy: 'bob', endsMs: T0_MS + 10_000 }];
      await pass(daemon, 30);
      const other = setUp();
      other.operators.silences = daemon.operators.silences;
      for (const [key, line] of daemon.operators.lines) other.operators.lines.set(key, line);
      await other.alertManager.load([SENSOR]);
      start(other);
      await pass(other, 40);
      expect([...daemon.lines, ...other.lines].map((line) => JSON.parse(line))).toMatchObject([
        { event: 'silence_added', sensor: 's1', by: 'ann', msg: 'silence 7 by ann until 2026-01-01 00:00:20Z: sensor s1 (door is open)' },
        { event: 'silence_ended', by: 'bob', msg: 'silence 7 of ann is over, ended by bob: sensor s1 (door is open)' },
      ]); // prettier-ignore
    });

    test('an acknowledgement has its line, once', async () => {
      const daemon = setUp();
      await daemon.alertManager.load([SENSOR]);
      const committed = start(daemon);
      await run(daemon, reading(0, 31));
      daemon.operators.commands = [command({})];
      await pass(daemon, 1);
      const [done] = committed;
      expect(done?.notifications).toMatchObject([{ event: 'acknowledged', seq: -1, ackedBy: 'ann' }]);
      daemon.alertManager.publish(done?.notifications ?? []);
      expect(JSON.parse(daemon.lines.at(-1) ?? '')).toMatchObject({
        ...{ level: 'info', event: 'acknowledged', by: 'ann', metric: 'temperature', unit: '°C' },
        msg: 's1: temperature acknowledged by ann',
      });
    });

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

    test('silence fires while the broker is there, and one line says when it is not', async () => {
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

    test('sensors that are read again while it runs keep their silence, and retired ones their peace', async () => {
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
      const rules = () =>
        rulesOf({ offline_after: '2m', overrides: [{ sensor: 'hub', offline_after: '1m' }] });
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

    test('what comes due while a look is committed waits for the next one, with all that is due by then', async () => {
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

    test('a writer that gave up ends the look', async () => {
      const daemon = setUp(undefined, withRule({ for: '10s', for_mode: 'held' }));
      let asked = 0;
      daemon.alertManager.start(async () => void asked++);
      await run(daemon, reading(0, 31));
      await pass(daemon, 14);
      expect(asked).toBeLessThan(5);
    });

    test('a commit that fails is tried again at the next look', async () => {
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
});
