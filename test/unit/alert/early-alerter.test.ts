import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import type { AlertPreview } from '../../../src/core/alert/engine/preview.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';
import type { Decoded } from '../../../src/core/reading.ts';
import type { AlertStore, OperatorStore } from '../../../src/ports/alerts.ts';
import { createAlertManager } from '../../../src/services/alert/alert-manager.ts';
import { EarlyAlerter } from '../../../src/services/alert/early-alerter.ts';
import { BatchWriter } from '../../../src/services/ingest/batch-writer.ts';
import { type Decoder, Ingest } from '../../../src/services/ingest/ingest.ts';
import { SensorRegistry } from '../../../src/services/ingest/sensor-registry.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  FakeDirectory,
  FakeSource,
  FakeStore,
  RecordingMetrics,
  settle,
  stored,
} from '../../support/fakes.ts';
import { rulesOf } from './support.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const LIMIT = 30;
const away = new FieldwatchError('away', { code: 'DB_UNREACHABLE', kind: 'transient' });

/** The topic is the device; the payload is a temperature, and the device has no clock. */
const decoder: Decoder = {
  decode({ topic, payload, receivedAtMs }): Decoded {
    const metrics = new Map([['temperature', Number(new TextDecoder().decode(payload))]]);
    const reading = {
      device: topic,
      timeUs: receivedAtMs * 1000,
      location: undefined,
      stamped: true,
      metrics,
    };
    return { kind: 'readings', readings: [reading], dropped: 0 };
  },
};

/** The database knows of no earlier readings, and has no lines to go on with. */
const nothingStored = {
  loadStates: async () => [],
  loadWaiting: async () => ({ rows: [], upTo: '0' }),
  loadReadings: async () => [],
  pendingNotifications: async () => [],
  markSent: async () => {},
} as AlertStore;

const noOperators: OperatorStore = {
  poll: async () => ({ silences: [], commands: [] }),
  announce: async () => [],
};

/** Alert lines in memory, as the file keeps them over a restart. */
class Lines {
  readonly all: Record<string, unknown>[] = [];

  write(line: string): void {
    this.all.push(JSON.parse(line) as Record<string, unknown>);
  }

  unpersisted() {
    return this.all
      .filter(({ persisted }) => persisted === false)
      .map(({ alert_id, seq, event }) => ({ alertId: alert_id, seq, event }) as never);
  }

  get short(): string[] {
    return this.all.map(
      ({ sensor, event, persisted }) =>
        `${String(sensor)} ${String(event)} ${persisted ? 'stored' : 'early'}`,
    );
  }
}

/** From the broker to a store whose commits the test answers. Sensors `s1` and `s2` have been received. */
async function setup(lines = new Lines()) {
  const [source, store, directory, clock, metrics] = [
    new FakeSource(),
    new FakeStore(),
    new FakeDirectory(),
    new FakeClock(NOW_MS),
    new RecordingMetrics(),
  ];
  directory.add('s1');
  directory.add('s2');
  const logger = silentLogger;
  const registry = new SensorRegistry(
    { registration: 'auto', allow: ['*'], max: 100_000, maxNewPerMinute: 100 },
    { directory, clock, logger, metrics },
  );
  await registry.load();
  const alertManager = createAlertManager({
    ...{
      logger,
      metrics,
      clock,
      store: nothingStored,
      lastReadings: async () => [],
      operators: noOperators,
      alertLog: lines,
    },
    rules: rulesOf({ metrics: { temperature: { max: LIMIT, hysteresis: 1 } } }),
  });
  await alertManager.load([...registry.all()]);
  const writer = new BatchWriter(
    { baseMs: 100, capMs: 1000 },
    { registry, alertManager, store, clock, logger, metrics, random: () => 1 },
  );
  const ingest = new Ingest(
    {
      batch: { maxRows: 3, maxBytes: 1 << 20, lingerMs: 20 },
      window: { maxRows: 10_000, maxBytes: 1 << 24, maxMessages: 10_000 },
    },
    { source, decoder, registry, writer, clock, logger, metrics },
  );
  /** Times of the readings that were previewed. */
  const previewed: number[] = [];
  const previewer = {
    previewAlerts: (former?: AlertPreview) => {
      const preview = alertManager.previewAlerts(former);
      if (preview === undefined || preview === former) return preview;
      const readings = preview.readings.bind(preview);
      preview.readings = (all) => {
        previewed.push(...all.map(({ timeUs }) => timeUs));
        return readings(all);
      };
      return preview;
    },
  };
  const earlyAlerter = new EarlyAlerter({
    ...{ alertManager: previewer, evaluator: alertManager, registry, clock, logger },
    waiting: () => ingest.waiting,
    holds: (device) => writer.holds(device),
  });
  earlyAlerter.start();
  await ingest.start();
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 50) {
      clock.advance(Math.min(50, left));
      await settle(4);
    }
  };
  const deliver = (device: string, value: number) =>
    source.deliver(device, String(value), { receivedAtMs: clock.nowMs() });
  store.auto = stored;
  deliver('s1', 20);
  deliver('s2', 20);
  await pass(100);
  expect(store.batches).toHaveLength(1);
  store.auto = undefined;
  return { store, directory, clock, lines, previewed, earlyAlerter, deliver, pass };
}

describe('the event loop is not blocked', () => {
  it('when readings take long to evaluate: a preview ends after its time, and the next one continues', async () => {
    const { clock, previewed, deliver, pass } = await setup();
    for (let n = 0; n < 1000; n++) deliver('s1', n % 2 === 0 ? LIMIT + 1 : 20);
    const monotonicMs = clock.monotonicMs.bind(clock);
    clock.monotonicMs = () => monotonicMs() + previewed.length;
    const looks: number[] = [];
    for (let before = 0; previewed.length < 1000; before = previewed.length) {
      while (previewed.length === before) await pass(50);
      looks.push(previewed.length - before);
    }
    expect(looks).toEqual([200, 200, 200, 200, 200]);
  });
});

describe('statement 26: a line leaves within a second of its reading', () => {
  it('while a commit hangs, and not again when it comes', async () => {
    const { store, lines, deliver, pass } = await setup();
    deliver('s1', LIMIT + 1);
    await pass(450);
    expect(lines.short).toEqual([]);
    await pass(400);
    expect(lines.short).toEqual(['s1 firing early']);
    store.answer();
    await pass(100);
    deliver('s1', LIMIT - 5);
    await pass(50);
    store.answer();
    await pass(50);
    expect(lines.short).toEqual(['s1 firing early', 's1 resolved stored']);
    expect(store.batches.slice(1).map(({ alerts }) => alerts.notifications.length)).toEqual([1, 1]);
  });

  it('from the first second of an outage on, in the batches behind the first and in what still fills', async () => {
    const { store, lines, deliver, pass } = await setup();
    store.auto = () => away;
    deliver('s1', 20);
    await pass(50);
    const notifiedCounts: number[] = [];
    for (let n = 0; n < 10; n++) {
      deliver(n % 2 === 0 ? 's1' : 's2', n % 4 < 2 ? LIMIT + 1 : LIMIT - 5);
      await pass(200);
      notifiedCounts.push(lines.all.length);
    }
    // Readings that arrived 1 s ago are notified: the first five now, and so on.
    expect(notifiedCounts.slice(4).every((count, index) => count >= index + 1)).toBe(true);
    await pass(1000);
    const early = ['s1 firing early', 's2 firing early', 's1 resolved early', 's2 resolved early'];
    expect(lines.short).toEqual([...early, ...early, ...early.slice(0, 2)]);
    store.auto = stored;
    await pass(3000);
    expect(lines.all).toHaveLength(10);
    expect(store.batches.flatMap(({ readings }) => readings).length).toBeGreaterThan(11);
  });

  it('and with its row where commits are slow, but not as slow as that', async () => {
    const { store, lines, deliver, pass } = await setup();
    for (let n = 0; n < 5; n++) {
      deliver('s1', n % 2 === 0 ? LIMIT + 1 : LIMIT - 5);
      await pass(400);
      store.answer();
      await pass(100);
    }
    expect(lines.all).toHaveLength(5);
    expect(lines.all.every(({ persisted }) => persisted === true)).toBe(true);
  });

  it('also where the database had committed, and the reply was lost', async () => {
    const { store, lines, deliver, pass } = await setup();
    deliver('s1', LIMIT + 1);
    await pass(900);
    store.answer(away);
    await pass(300);
    store.answer({ kind: 'committed', stored: 0, duplicate: 1, merged: 0, conflict: 0 });
    await pass(300);
    expect(lines.short).toEqual(['s1 firing early']);
  });

  it('but of a device that is unknown to the engine, which waits with all that follows of it', async () => {
    const { store, directory, lines, deliver, pass } = await setup();
    directory.failWith = away;
    deliver('new', LIMIT + 1);
    deliver('s1', LIMIT + 1);
    await pass(600);
    deliver('new', LIMIT - 5);
    await pass(1000);
    expect(lines.short).toEqual(['s1 firing early']);
    directory.failWith = undefined;
    store.auto = stored;
    await pass(2000);
    expect(lines.short).toEqual(['s1 firing early', 'new firing stored', 'new resolved stored']);
  });

  it('and is a false alarm if the database then rejects the reading: later ones are notified as usual', async () => {
    const { store, lines, deliver, pass } = await setup();
    deliver('s1', LIMIT + 1);
    await pass(1);
    deliver('s1', LIMIT + 2);
    await pass(900);
    store.answer({ kind: 'row_refused', index: 0, sqlstate: '22003', message: 'too much' });
    await pass(100);
    store.auto = stored;
    store.answer();
    await pass(100);
    expect(lines.short).toEqual(['s1 firing early', 's1 firing early']);
    deliver('s1', LIMIT - 5);
    await pass(100);
    expect(lines.short.slice(2)).toEqual(['s1 resolved stored']);
  });

  it('once, where the process is killed before the commit and the alert log is a file', async () => {
    const before = await setup();
    before.deliver('s1', LIMIT + 1);
    await before.pass(900);
    before.earlyAlerter.stop();
    const after = await setup(before.lines);
    after.store.auto = stored;
    after.deliver('s1', LIMIT + 1);
    await after.pass(300);
    expect(after.store.batches.flatMap(({ alerts }) => alerts.notifications)).toHaveLength(1);
    expect(after.lines.short).toEqual(['s1 firing early']);
  });

  it('whatever the clock on the wall does', async () => {
    const { clock, lines, deliver, pass } = await setup();
    deliver('s1', LIMIT + 1);
    await pass(100);
    clock.jump(-3_600_000);
    await pass(800);
    expect(lines.short).toEqual(['s1 firing early']);
  });

  it('and each reading is previewed at once, while commits are slow but go on', async () => {
    const { store, lines, previewed, deliver, pass } = await setup();
    for (let n = 0; n < 30; n++) {
      deliver('s1', n % 6 < 3 ? LIMIT + 1 : LIMIT - 5);
      await pass(300);
      if (n % 3 === 2) store.answer();
    }
    store.auto = stored;
    await pass(500);
    expect(lines.all).toHaveLength(10);
    expect(new Set(previewed).size).toBeGreaterThan(15);
    expect(previewed).toHaveLength(new Set(previewed).size);
  });

  it('until it is stopped', async () => {
    const { lines, earlyAlerter, deliver, pass } = await setup();
    deliver('s1', LIMIT + 1);
    await pass(5000);
    earlyAlerter.stop();
    deliver('s2', LIMIT + 1);
    await pass(5000);
    expect(lines.short).toEqual(['s1 firing early']);
  });
});
