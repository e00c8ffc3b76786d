import type {
  AlertBatch,
  AlertNotification,
  AlertResolution,
  AlertRow,
  AlertStateRow,
  DutyEpoch,
  HandedReading,
} from '../../src/core/alert/model.ts';
import type { RuleSet } from '../../src/core/alert/rules.ts';
import { FieldwatchError } from '../../src/core/errors.ts';
import type {
  AlertStore,
  DutyStore,
  LastReading,
  ReadingSpan,
  ReadingStore,
  StoreBatch,
} from '../../src/ports.ts';
import { AlertDuty } from '../../src/services/alert-duty.ts';
import { AlertInbox } from '../../src/services/alert-inbox.ts';
import { createAlerting } from '../../src/services/alerting.ts';
import { BatchWriter } from '../../src/services/batch-writer.ts';
import { DutyEvaluator } from '../../src/services/duty-evaluator.ts';
import { IntakeBatch } from '../../src/services/intake-batch.ts';
import { SensorRegistry } from '../../src/services/sensor-registry.ts';
import { withoutWaiting } from '../../src/services/waiting-readings.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeDirectory, RecordingMetrics, settle, stored } from './fakes.ts';
import { QuietLogger } from './quiet-logger.ts';
import { readingsIn, WatermarkRows } from './watermark-rows.ts';

const away = () => new FieldwatchError('away', { code: 'DB_UNREACHABLE', kind: 'transient' });

/** The tables of several daemons in memory, with the idempotence and the fence of the real ones. */
export class GroupTables implements ReadingStore, AlertStore, DutyStore {
  readonly directory = new FakeDirectory();
  readonly readings = new Map<string, LastReading>();
  readonly alerts: (AlertRow & Partial<AlertResolution>)[] = [];
  readonly states = new Map<string, AlertStateRow>();
  readonly watermarks = new WatermarkRows();
  readonly outbox = new Map<string, AlertNotification>();
  readonly sent = new Set<string>();
  inbox: { id: string; readings: readonly HandedReading[] }[] = [];
  lease: { owner: string | undefined; epoch: number; untilMs: number } | undefined;
  nowMs: () => number = () => 0;
  private ids = 0;

  async commit({ readings, alerts }: StoreBatch) {
    const { duty, handedOn, taken = [] } = alerts;
    if (duty !== undefined && duty.epoch !== this.lease?.epoch)
      throw new FieldwatchError('another daemon has it', { code: 'DUTY_LOST', kind: 'transient' });
    for (const { sensorId, timeUs, metrics } of readings)
      for (const [metric, value] of metrics)
        this.readings.set(`${sensorId}|${metric}|${timeUs}`, { sensorId, metric, timeUs, value });
    this.inbox = this.inbox.filter(({ id }) => !taken.includes(id));
    if (handedOn !== undefined) this.inbox.push({ id: String(++this.ids), readings: handedOn.readings });
    this.write(alerts);
    return stored({ readings, alerts, deadLetters: [], retry: false });
  }

  private write({ raised, resolved, states, notifications, waiting }: AlertBatch): void {
    this.watermarks.write(waiting);
    for (const row of raised)
      if (!this.alerts.some((each) => each.alertType === row.alertType && each.timeUs === row.timeUs))
        this.alerts.push({ ...row });
    for (const end of resolved) {
      const row = this.alerts.find(
        (each) => each.timeUs === end.firedAtUs && each.alertType === end.alertType,
      );
      if (row !== undefined && row.resolvedAtUs === undefined) Object.assign(row, end);
    }
    for (const row of states) {
      const key = `${row.sensorId}|${row.alertType}`;
      if (row.state === 'ok' && Object.keys(row.detail).length === 0) this.states.delete(key);
      else this.states.set(key, JSON.parse(JSON.stringify(row)) as AlertStateRow);
    }
    for (const each of notifications) this.outbox.set(nameOf(each), each);
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

  async loadLastReadings(spans: readonly ReadingSpan[]) {
    return spans.flatMap(({ sensorId, fromUs, toUs }) =>
      [...this.readings.values()]
        .filter((each) => each.sensorId === sensorId && each.timeUs >= fromUs && each.timeUs <= toUs)
        .sort((a, b) => b.timeUs - a.timeUs)
        .slice(0, 1),
    );
  }

  async pendingNotifications() {
    return [...this.outbox].flatMap(([name, each]) => (this.sent.has(name) ? [] : [each]));
  }

  async markSent(sent: readonly Pick<AlertNotification, 'alertId' | 'seq'>[]) {
    for (const each of sent) this.sent.add(nameOf(each));
  }

  async take(_group: string, owner: string, ttlMs: number, expired: boolean) {
    const { lease } = this;
    const free =
      lease === undefined || lease.owner === undefined || (expired && lease.untilMs < this.nowMs());
    if (!free) return undefined;
    this.lease = { owner, epoch: (lease?.epoch ?? 0) + 1, untilMs: this.nowMs() + ttlMs };
    return this.lease.epoch;
  }

  async renew({ epoch }: DutyEpoch, ttlMs: number) {
    if (this.lease?.epoch !== epoch) return false;
    this.lease.untilMs = this.nowMs() + ttlMs;
    return true;
  }

  async release({ epoch }: DutyEpoch) {
    if (this.lease?.epoch === epoch) this.lease.owner = undefined;
  }

  async oldest() {
    return { rows: this.inbox.slice(0, 10), more: this.inbox.length >= 10 };
  }

  async earliest() {
    const all = this.inbox.flatMap(({ readings }) => readings);
    const earliest = new Map<number, number>();
    for (const { key, timeUs } of all) {
      const id = this.directory.sensors.get(key)?.id ?? 0;
      earliest.set(id, Math.min(timeUs, earliest.get(id) ?? Infinity));
    }
    return earliest;
  }

  async waiting() {
    return this.inbox.reduce((sum, { readings }) => sum + readings.length, 0);
  }

  async close() {}
}

export const nameOf = ({ alertId, seq }: Pick<AlertNotification, 'alertId' | 'seq'>) => `${alertId}|${seq}`;

/** One daemon of the group. Its clock stands still while it is frozen; it reaches the database unless it is cut off. */
export class Member {
  readonly clock: FakeClock;
  readonly logger = new QuietLogger();
  readonly metrics = new RecordingMetrics();
  /** Alert lines: `event sensor`. */
  readonly lines: string[] = [];
  readonly alerting;
  readonly duty;
  readonly inbox;
  readonly evaluator;
  readonly writer;
  readonly registry;
  cutOff = false;

  constructor(tables: GroupTables, rules: RuleSet, startMs: number, owner: string) {
    this.clock = new FakeClock(startMs);
    const { clock, logger, metrics } = this;
    const reach = this.reaching(tables);
    this.alerting = createAlerting({
      ...{ rules, clock, logger, metrics },
      group: 'crew',
      store: withoutWaiting(reach, reach, 'crew'),
      operators: { look: async () => ({ silences: [], commands: [] }) },
      alertLog: {
        write: (line) => {
          const { event, sensor } = JSON.parse(line) as { event: string; sensor: string };
          this.lines.push(`${event} ${sensor}`);
        },
      },
    });
    this.registry = new SensorRegistry(
      { registration: 'auto', allow: ['*'], max: 100_000, maxNewPerMinute: 100 },
      { directory: tables.directory, clock, logger, metrics },
    );
    const { alerting } = this;
    this.duty = new AlertDuty(
      { group: 'crew', owner },
      {
        ...{ store: reach, alerting, clock, logger, metrics },
        tell: alerting,
      },
    );
    this.evaluator = new DutyEvaluator({
      ...{ duty: this.duty, engine: alerting },
      asksOf: (sensor, asked) => alerting.asksOf(sensor, asked),
    });
    this.writer = new BatchWriter(
      { baseMs: 100, capMs: 100 },
      {
        ...{ registry: this.registry, alerting: this.evaluator, store: reach, clock, logger, metrics },
        random: () => 1,
      },
    );
    this.inbox = new AlertInbox({
      ...{ duty: this.duty, store: reach, engine: alerting, registry: this.registry, clock, logger },
      commit: (evaluate) => this.writer.commitCommands(evaluate),
      spooling: () => false,
    });
  }

  async start(): Promise<void> {
    await this.registry.load();
    this.alerting.start(
      (evaluate) => this.writer.commitAlerts(evaluate),
      (evaluate) => this.writer.commitCommands(evaluate),
      () => this.inbox.ready(),
    );
    this.alerting.onConnectivity({
      ...{ state: 'connected', sessionPresent: false, receiveMaximum: 1000, protocolVersion: 5 },
    } as never);
    await this.duty.start();
    this.inbox.start();
    await settle();
  }

  /** One batch of readings of `device`, received now. */
  async receive(device: string, ...given: readonly { timeUs: number; value: number }[]): Promise<void> {
    const batch = new IntakeBatch(this.clock.monotonicMs());
    const receivedAtMs = this.clock.nowMs();
    const message = { topic: 't', payload: new Uint8Array(), receivedAtMs };
    for (const { timeUs, value } of given) {
      const metrics = new Map([['temperature', value]]);
      batch.addReading(
        { device, timeUs, location: undefined, metrics },
        message,
        receivedAtMs,
        this.registry.find(device),
      );
    }
    const written = await this.writer.write(batch);
    if (typeof written !== 'string') this.writer.announce(written);
    await settle();
  }

  async stop(): Promise<void> {
    this.inbox.stop();
    await this.duty.stop();
    await this.alerting.stop();
    await this.duty.release();
  }

  private reaching(tables: GroupTables): GroupTables {
    return new Proxy(tables, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown =>
          this.cutOff ? Promise.reject(away()) : Reflect.apply(value, target, args);
      },
    });
  }
}

/** Lets time pass for some of them, in small steps; the others are frozen, or dead. */
export async function pass(ms: number, members: readonly Member[]): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    for (const { clock } of members) clock.advance(Math.min(100, left));
    await settle(4);
  }
}
