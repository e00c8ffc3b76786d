import { expect, jest, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import type {
  AlertBatch,
  AlertNotification,
  AlertResolution,
  AlertRow,
  AlertStateRow,
} from '../../../src/core/alert/model.ts';
import type { RuleSet } from '../../../src/core/alert/rules/rule-set.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';
import type { AlertStore, LastReading, ReadingSpan } from '../../../src/ports/alerts.ts';
import type { InboundMessage } from '../../../src/ports/messages.ts';
import type { ReadingStore, StoreBatch } from '../../../src/ports/store.ts';
import type { Clock } from '../../../src/ports/time.ts';
import { createAlertManager } from '../../../src/services/alert/alert-manager.ts';
import { BatchWriter } from '../../../src/services/ingest/batch-writer.ts';
import { IngestBatch } from '../../../src/services/ingest/batch.ts';
import { SensorRegistry } from '../../../src/services/ingest/sensor-registry.ts';
import { FakeDirectory, RecordingMetrics, stored } from '../../support/fakes.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { WatermarkRows, readingsIn } from '../../support/watermark-rows.ts';
import { rules, sensors, timeline } from './arbitraries.ts';
import { type Given, T0_MS, T0_US } from './support.ts';
import { rounds } from '../../support/rounds.ts';

// Many runs, on a machine that may be busy.
jest.setTimeout(60_000);

// The daemon's own way from readings to tables, over a database that loses replies, behind a process that dies.

type Stored = AlertRow & Partial<AlertResolution>;
type Fault = 'none' | 'refused' | 'reply lost';

/** The tables, with the idempotence of the real ones. */
class Tables implements ReadingStore, AlertStore {
  readonly rows = new Map<string, Stored>();
  readonly states = new Map<string, AlertStateRow>();
  readonly watermarks = new WatermarkRows();
  readonly outbox = new Map<string, AlertNotification>();
  readonly sent = new Set<string>();
  readonly readings = new Map<string, LastReading>();
  faults: Fault[] = [];

  async commit(batch: StoreBatch) {
    const fault = this.faults.shift() ?? 'none';
    if (fault === 'refused') throw away();
    for (const { sensorId, timeUs, metrics } of batch.readings)
      for (const [metric, value] of metrics) {
        const key = `${sensorId}|${metric}|${timeUs}`;
        if (!this.readings.has(key)) this.readings.set(key, { sensorId, metric, timeUs, value });
      }
    this.alerts(batch.alerts);
    if (fault === 'reply lost') throw away();
    return stored(batch);
  }

  async loadStates() {
    return [...this.states.values()];
  }

  async loadWaiting(group: string) {
    return this.watermarks.load(group);
  }

  async loadReadings(spans: readonly ReadingSpan[]) {
    return readingsIn(this.readings.values(), spans);
  }

  readonly lastReadings = async (spans: readonly ReadingSpan[]) => {
    return spans.flatMap(({ sensorId, fromUs, toUs }) => {
      const inside = [...this.readings.values()].filter(
        (each) => each.sensorId === sensorId && each.timeUs >= fromUs && each.timeUs <= toUs,
      );
      return inside.sort((a, b) => b.timeUs - a.timeUs).slice(0, 1);
    });
  };

  async pendingNotifications() {
    return [...this.outbox].flatMap(([key, each]) => (this.sent.has(key) ? [] : [each]));
  }

  async markSent(sent: readonly Pick<AlertNotification, 'alertId' | 'seq'>[]) {
    for (const { alertId, seq } of sent) this.sent.add(`${alertId}|${seq}`);
  }

  async close() {}

  private alerts({ raised, resolved, states, notifications, waiting }: AlertBatch): void {
    this.watermarks.write(waiting);
    for (const row of raised) {
      const key = `${row.sensorId}|${row.alertType}|${row.timeUs}`;
      if (!this.rows.has(key)) this.rows.set(key, row);
    }
    for (const end of resolved) {
      const key = `${end.sensorId}|${end.alertType}|${end.firedAtUs}`;
      const row = this.rows.get(key);
      if (row !== undefined && row.resolvedAtUs === undefined) this.rows.set(key, { ...row, ...end });
    }
    for (const row of states) {
      const key = `${row.sensorId}|${row.alertType}`;
      if (row.state === 'ok' && Object.keys(row.detail).length === 0) this.states.delete(key);
      else this.states.set(key, JSON.parse(JSON.stringify(row)) as AlertStateRow);
    }
    for (const each of notifications) {
      const key = `${each.alertId}|${each.seq}`;
      if (!this.outbox.has(key)) this.outbox.set(key, each);
    }
  }
}

const away = () => new FieldwatchError('away', { code: 'DATABASE_AWAY', kind: 'transient' });

/** One process: its memory, and the lines that it has logged. */
class Process {
  private readonly alertManager;
  private readonly writer;
  nowMs = T0_MS;

  constructor(ruleSet: RuleSet, tables: Tables, lines: string[]) {
    const clock: Clock = {
      nowMs: () => this.nowMs,
      monotonicMs: () => this.nowMs - T0_MS,
      // A pause between two attempts is over at once.
      after: (_, run) => {
        queueMicrotask(run);
        return { cancel: () => undefined };
      },
    };
    const deps = { clock, logger: new QuietLogger(), metrics: new RecordingMetrics(), store: tables };
    const alertLog = {
      write: (line: string) => {
        const { alert_id: id, seq } = JSON.parse(line) as { alert_id: string; seq: number };
        lines.push(`${id}|${seq}`);
      },
    };
    const operators = { poll: async () => ({ silences: [], commands: [] }), announce: async () => [] };
    this.alertManager = createAlertManager({
      ...deps,
      lastReadings: tables.lastReadings,
      operators,
      rules: ruleSet,
      alertLog,
    });
    const registry = new SensorRegistry(
      { registration: 'auto', allow: ['*'], max: 100_000, maxNewPerMinute: 60 },
      { ...deps, directory: new FakeDirectory() },
    );
    const limits = { baseMs: 1, capMs: 1 };
    this.writer = new BatchWriter(limits, {
      ...deps,
      registry,
      alertManager: this.alertManager,
      random: () => 0,
    });
  }

  async load(nowMs: number): Promise<void> {
    this.nowMs = nowMs;
    await this.alertManager.load(sensors);
    await this.alertManager.published();
  }

  /** `published`: false where the process dies between the commit and the lines. */
  async write(readings: readonly Given[], published: boolean): Promise<void> {
    const batch = new IngestBatch(0);
    for (const given of readings) {
      const sensor = sensors.find(({ id }) => id === given.sensor?.id);
      const { at, rx = at, value } = given;
      this.nowMs = Math.max(this.nowMs, T0_MS + rx * 1000);
      const reading = {
        device: sensor?.key ?? '',
        timeUs: T0_US + at * 1e6,
        location: undefined,
        stamped: false,
        metrics: new Map([['temperature', value as number]]),
      };
      batch.addReading(reading, {} as InboundMessage, T0_MS + rx * 1000, sensor);
    }
    const outcome = await this.writer.write(batch);
    if (typeof outcome === 'string') throw new Error('the writer gave up');
    if (published) this.writer.publish(outcome);
    await this.alertManager.published();
  }
}

interface Step {
  readonly count: number;
  readonly faults: Fault[];
  /** The process dies: before the commit, after it, or once all is said. */
  readonly crash: 'no' | 'before' | 'after' | 'idle';
  /** So many of the readings before are delivered again along with these. */
  readonly again: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  count: fc.integer({ min: 1, max: 8 }),
  faults: fc.array(fc.constantFrom<Fault>('none', 'refused', 'reply lost'), { maxLength: 3 }),
  crash: fc.constantFrom('no', 'no', 'no', 'before', 'after', 'idle'),
  again: fc.constantFrom(0, 0, 0, 3),
});

async function run(ruleSet: RuleSet, all: readonly Given[], steps: readonly Step[]) {
  const tables = new Tables();
  const lines: string[] = [];
  let life = new Process(ruleSet, tables, lines);
  await life.load(T0_MS);
  const restart = async () => {
    const { nowMs } = life;
    life = new Process(ruleSet, tables, lines);
    await life.load(nowMs);
  };
  let from = 0;
  for (let round = 0; from < all.length; round++) {
    const last: Step = { count: all.length, faults: [], crash: 'no', again: 0 };
    const { count, faults, crash, again } = steps[round] ?? last;
    const batch = [...all.slice(Math.max(0, from - again), from), ...all.slice(from, from + count)];
    from += count;
    tables.faults = [...faults];
    if (crash === 'before') await restart();
    await life.write(batch, crash !== 'after');
    if (crash === 'no' || crash === 'before') continue;
    await restart();
    // What was committed and not acknowledged comes once more.
    if (crash === 'after') await life.write(batch, true);
  }
  return { tables, lines };
}

test('lost replies, redelivery, any split and a crash at any point change neither rows nor lines', async () => {
  await fc.assert(
    fc.asyncProperty(rules, timeline, fc.array(step, { maxLength: 12 }), async (ruleSet, all, steps) => {
      const oneByOne = all.map((): Step => ({ count: 1, faults: [], crash: 'no', again: 0 }));
      const plain = await run(ruleSet, all, oneByOne);
      const rough = await run(ruleSet, all, steps);
      expect([...rough.tables.rows]).toEqual(expect.arrayContaining([...plain.tables.rows]));
      expect(rough.tables.rows.size).toBe(plain.tables.rows.size);
      expect(new Map([...rough.tables.outbox].sort())).toEqual(new Map([...plain.tables.outbox].sort()));
      // Each line once, whatever happened: the processes died between two writes of the log, not within one.
      expect([...rough.lines].sort()).toEqual([...plain.lines].sort());
      expect(new Set(rough.lines).size).toBe(rough.lines.length);
      expect(rough.tables.sent).toEqual(new Set(rough.tables.outbox.keys()));
      invariants(rough.tables);
    }),
    { numRuns: rounds(60, 150) },
  );
});

/** At most one open episode per sensor and type; every row is resolved, or open in `alert_state`. */
function invariants({ rows, states }: Tables): void {
  const open = new Map<string, string>();
  for (const row of rows.values()) {
    if (row.resolvedAtUs !== undefined) continue;
    const key = `${row.sensorId}|${row.alertType}`;
    expect(open.get(key) ?? row.alertId).toBe(row.alertId);
    open.set(key, row.alertId);
  }
  for (const [key, id] of open) {
    const state = states.get(key);
    expect(state?.alertId).toBe(id);
    expect(['firing', 'recovering', 'latched', 'flapping']).toContain(state?.state);
  }
}
