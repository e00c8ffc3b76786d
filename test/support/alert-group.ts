import { LeaseLost, type OwnedShards } from '../../src/core/alert/cluster/shard-lease.ts';
import { type Shard, type ShardMember, shardOf, SHARDS } from '../../src/core/alert/cluster/shard.ts';
import type {
  AlertBatch,
  AlertNotification,
  AlertResolution,
  AlertRow,
  AlertStateRow,
} from '../../src/core/alert/model.ts';
import type { RuleSet } from '../../src/core/alert/rules/rule-set.ts';
import { FieldwatchError } from '../../src/core/errors.ts';
import type { AlertStore, LastReading, ReadingSpan } from '../../src/ports/alerts.ts';
import type { HandoverRow, HandoverStore } from '../../src/ports/handover.ts';
import type { LeaseStore, MemberReport, Remains } from '../../src/ports/lease.ts';
import type { ReadingStore, StoreBatch } from '../../src/ports/store.ts';
import { createAlertManager } from '../../src/services/alert/alert-manager.ts';
import { evaluatedReadings } from '../../src/services/alert/cluster/evaluated-readings.ts';
import { HandoverPreview } from '../../src/services/alert/cluster/handover-preview.ts';
import { HandoverReader } from '../../src/services/alert/cluster/handover.ts';
import { ShardLeases } from '../../src/services/alert/cluster/shard-leases.ts';
import { ShardTable } from '../../src/services/alert/cluster/shard-table.ts';
import { ShardedEvaluator } from '../../src/services/alert/cluster/sharded-evaluator.ts';
import { BatchWriter } from '../../src/services/ingest/batch-writer.ts';
import { IngestBatch } from '../../src/services/ingest/batch.ts';
import { SensorRegistry } from '../../src/services/ingest/sensor-registry.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeDirectory, RecordingMetrics, settle, stored } from './fakes.ts';
import { QuietLogger } from './quiet-logger.ts';
import { readingsIn, WatermarkRows } from './watermark-rows.ts';

const away = () => new FieldwatchError('away', { code: 'DB_UNREACHABLE', kind: 'transient' });

/** The tables of several daemons in memory, with the idempotence and the fence of the real ones. */
export class GroupTables implements ReadingStore, AlertStore, LeaseStore, HandoverStore {
  readonly directory = new FakeDirectory();
  readonly readings = new Map<string, LastReading>();
  readonly alerts: (AlertRow & Partial<AlertResolution>)[] = [];
  readonly states = new Map<string, AlertStateRow>();
  readonly watermarks = new WatermarkRows();
  readonly outbox = new Map<string, AlertNotification>();
  readonly sent = new Set<string>();
  handover: HandoverRow[] = [];
  readonly members = new Map<string, ShardMember>();
  readonly shards: Shard[] = Array.from({ length: SHARDS }, () => ({ owner: undefined, epoch: 0 }));
  nowMs: () => number = () => 0;
  private ids = 0;

  async commit({ readings, alerts }: StoreBatch) {
    const { fence, forwarded, dequeued = [] } = alerts;
    const lost = (fence?.shards ?? []).flatMap(([shard, epoch]) =>
      this.shards[shard]?.epoch === epoch ? [] : [shard],
    );
    if (fence !== undefined && lost.length > 0) throw new LeaseLost(fence.group, lost);
    for (const { sensorId, timeUs, metrics } of readings)
      for (const [metric, value] of metrics)
        this.readings.set(`${sensorId}|${metric}|${timeUs}`, { sensorId, metric, timeUs, value });
    this.handover = this.handover.filter(({ id }) => !dequeued.includes(id));
    for (const reading of forwarded?.readings ?? [])
      this.handover.push({ id: String(++this.ids), shard: shardOf(reading.sensorId), readings: [reading] });
    this.handover.sort((a, b) => receivedS(a) - receivedS(b));
    this.write(alerts);
    return stored({ readings, alerts, deadLetters: [], retry: false });
  }

  private write({ raised, resolved, states, notifications, waiting }: AlertBatch): void {
    this.watermarks.write(waiting);
    for (const row of raised)
      if (!this.alerts.some((each) => isOf(each, row) && each.timeUs === row.timeUs))
        this.alerts.push({ ...row });
    for (const end of resolved) {
      const row = this.alerts.find((each) => each.timeUs === end.firedAtUs && isOf(each, end));
      if (row !== undefined && row.resolvedAtUs === undefined) Object.assign(row, end);
    }
    for (const row of states) {
      const key = `${row.sensorId}|${row.alertType}`;
      if (row.state === 'ok' && Object.keys(row.detail).length === 0) this.states.delete(key);
      else this.states.set(key, JSON.parse(JSON.stringify(row)) as AlertStateRow);
    }
    for (const each of notifications) this.outbox.set(nameOf(each), each);
  }

  async loadStates(shards?: readonly number[]) {
    return [...this.states.values()].filter(({ sensorId }) => shards?.includes(shardOf(sensorId)) ?? true);
  }

  async loadWaiting(group: string, shards?: readonly number[]) {
    return this.watermarks.load(group, shards);
  }

  async loadReadings(spans: readonly ReadingSpan[]) {
    return readingsIn(this.readings.values(), spans);
  }

  readonly lastReadings = async (spans: readonly ReadingSpan[]) => {
    return spans.flatMap(({ sensorId, fromUs, toUs }) =>
      [...this.readings.values()]
        .filter((each) => each.sensorId === sensorId && each.timeUs >= fromUs && each.timeUs <= toUs)
        .sort((a, b) => b.timeUs - a.timeUs)
        .slice(0, 1),
    );
  };

  async pendingNotifications(shards?: readonly number[]) {
    return [...this.outbox].flatMap(([name, each]) =>
      this.sent.has(name) || shards?.includes(shardOf(each.sensorId)) === false ? [] : [each],
    );
  }

  async markSent(sent: readonly Pick<AlertNotification, 'alertId' | 'seq'>[]) {
    for (const each of sent) this.sent.add(nameOf(each));
  }

  async renew(
    _group: string,
    id: string,
    ttlMs: number,
    { connectsSensors, received, behind }: MemberReport,
  ) {
    const nowMs = this.nowMs();
    const joinedAtMs = this.members.get(id)?.joinedAtMs ?? nowMs;
    const more = {
      ...(received === undefined ? {} : { received }),
      ...(behind === undefined ? {} : { behind }),
    };
    this.members.set(id, { id, joinedAtMs, leasedUntilMs: nowMs + ttlMs, connectsSensors, ...more });
    return { nowMs, members: [...this.members.values()], shards: this.shards.map((shard) => ({ ...shard })) };
  }

  async take(_group: string, member: string, wanted: OwnedShards) {
    const taken = new Map<number, number>();
    for (const [shard, epoch] of wanted) {
      const row = this.shards[shard];
      const lease = this.members.get(row?.owner ?? '')?.leasedUntilMs ?? -Infinity;
      if (row === undefined || row.epoch !== epoch || lease > this.nowMs()) continue;
      this.shards[shard] = { owner: member, epoch: epoch + 1 };
      taken.set(shard, epoch + 1);
    }
    return taken;
  }

  async release(_group: string, member: string, given: OwnedShards) {
    for (const [shard, epoch] of given)
      if (this.shards[shard]?.owner === member && this.shards[shard].epoch === epoch)
        this.shards[shard] = { owner: undefined, epoch };
  }

  async depart() {
    return false;
  }

  async leave(group: string, member: string, remains: Remains) {
    const row = this.members.get(member);
    if (remains !== 'something' || row === undefined) this.members.delete(member);
    else this.members.set(member, { ...row, leasedUntilMs: this.nowMs(), behind: true });
    await this.release(group, member, new Map(this.shards.map(({ epoch }, shard) => [shard, epoch])));
  }

  async read(_group: string, shards: readonly number[]) {
    const rows = this.handover.filter(({ shard }) => shards.includes(shard));
    return { rows: rows.slice(0, 10), more: rows.length >= 10 };
  }

  async after(_group: string, shards: readonly number[], afterId: string) {
    const rows = this.handover
      .filter(({ id, shard }) => Number(id) > Number(afterId) && shards.includes(shard))
      .sort((a, b) => Number(a.id) - Number(b.id))
      .slice(0, 10);
    const readings = rows.flatMap((row) => row.readings);
    return { readings, lastId: rows.at(-1)?.id ?? afterId, more: rows.length >= 10 };
  }

  async earliest(_group: string, shards: readonly number[]) {
    const earliest = new Map<number, number>();
    for (const { shard, readings } of this.handover)
      for (const { sensorId, timeUs } of shards.includes(shard) ? readings : [])
        earliest.set(sensorId, Math.min(timeUs, earliest.get(sensorId) ?? Infinity));
    return earliest;
  }

  async waiting() {
    return this.handover.reduce((sum, { readings }) => sum + readings.length, 0);
  }

  /** The highest epoch of a shard: how often it had another owner. */
  get epoch(): number {
    return Math.max(...this.shards.map(({ epoch }) => epoch));
  }

  async close() {}
}

const receivedS = ({ readings: [first] }: HandoverRow): number =>
  Math.floor((first?.receivedAtMs ?? 0) / 1000);

const isOf = (one: Pick<AlertRow, 'sensorId' | 'alertType'>, other: typeof one): boolean =>
  one.sensorId === other.sensorId && one.alertType === other.alertType;

export const nameOf = ({ alertId, seq }: Pick<AlertNotification, 'alertId' | 'seq'>) => `${alertId}|${seq}`;

/** One daemon of the group. Its clock stands still while it is frozen; it reaches the database unless it is cut off. */
export class Member {
  readonly clock: FakeClock;
  readonly logger = new QuietLogger();
  readonly metrics = new RecordingMetrics();
  /** Alert lines: `event sensor`. */
  readonly lines: string[] = [];
  readonly alertManager;
  readonly table;
  readonly leases: ShardLeases;
  readonly reader: HandoverReader;
  readonly preview: HandoverPreview;
  readonly evaluator: ShardedEvaluator;
  readonly writer;
  readonly registry;
  cutOff = false;
  /** Whether the member reports unwritten readings. Absent: no report, as an earlier version. */
  behind: boolean | undefined;
  /** Messages wait for it at the broker. */
  unread = false;

  /** `connectsSensors`: one of them owns all shards. */
  constructor(tables: GroupTables, rules: RuleSet, startMs: number, id: string, connectsSensors = true) {
    this.clock = new FakeClock(startMs);
    this.table = new ShardTable('crew', id);
    const { table } = this;
    const { clock, logger, metrics } = this;
    const reach = this.reaching(tables);
    this.alertManager = createAlertManager({
      ...{ rules, clock, logger, metrics },
      shards: table,
      store: reach,
      lastReadings: evaluatedReadings(reach.lastReadings, reach, 'crew'),
      operators: { poll: async () => ({ silences: [], commands: [] }), announce: async () => [] },
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
    const { alertManager } = this;
    this.leases = new ShardLeases({
      ...{ table, store: reach, alertManager, lines: alertManager, clock, logger, metrics },
      report: () => ({ connectsSensors }),
      isBehind: () => this.unread || this.behind,
      isUnread: () => this.unread,
      waiting: () => reach.waiting(),
      finish: async () =>
        (await this.writer.between(() => alertManager.dropForgotten())) && (await alertManager.published()),
      spoolWriter: () => false,
      isCurrent: () => this.reader.isCurrent,
      onGained: () => this.reader.wake(),
      waitMs: 60_000,
    });
    this.evaluator = new ShardedEvaluator({
      ...{ table, leases: this.leases, engine: alertManager },
      mayClaim: (sensor, asked) => alertManager.mayClaim(sensor, asked),
    });
    this.writer = new BatchWriter(
      { baseMs: 100, capMs: 100 },
      {
        ...{ registry: this.registry, alertManager: this.evaluator, store: reach, clock, logger, metrics },
        random: () => 1,
      },
    );
    this.reader = new HandoverReader({
      ...{ table, leases: this.leases, store: reach, engine: alertManager, registry: this.registry },
      ...{ clock, logger },
      commit: (evaluate) => this.writer.commitCommands(evaluate),
      between: (run) => this.writer.between(run),
      spoolWriter: () => false,
      notified: () => false,
    });
    this.preview = new HandoverPreview({
      ...{ table, leases: this.leases, store: reach, engine: alertManager, lines: this.leases },
      ...{ registry: this.registry, spoolWriter: () => false, clock, logger },
      between: (run) => this.writer.between(run),
    });
  }

  /** `on`: it evaluates all shards that it owns; `none`: it owns none. */
  get phase(): 'none' | 'catching_up' | 'on' {
    if (this.table.size === 0) return 'none';
    return this.table.in('ready').length === this.table.size ? 'on' : 'catching_up';
  }

  async start(): Promise<void> {
    await this.registry.load();
    this.alertManager.start(
      (evaluate) => this.writer.commitAlerts(evaluate),
      (evaluate) => this.writer.commitCommands(evaluate),
      (decides) => this.reader.ready(decides),
    );
    this.alertManager.onConnectivity({
      ...{ state: 'connected', sessionPresent: false, receiveMaximum: 1000, protocolVersion: 5 },
    } as never);
    await this.leases.start();
    this.reader.start();
    this.preview.start();
    await settle();
  }

  /** One batch of readings of `device`, received now. */
  async receive(device: string, ...given: readonly { timeUs: number; value: number }[]): Promise<void> {
    const batch = new IngestBatch(this.clock.monotonicMs());
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
    if (typeof written !== 'string') this.writer.publish(written);
    await settle();
  }

  /** `left`: nothing waits for it at the broker. */
  async stop(left = true): Promise<void> {
    this.reader.stop();
    await this.preview.stop();
    await this.leases.stop();
    await this.alertManager.stop();
    await this.leases.release(left ? 'nothing' : 'something');
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

/** Advances the clocks of some members, in small steps; the others are frozen, or dead. */
export async function pass(ms: number, members: readonly Member[]): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    for (const { clock } of members) clock.advance(Math.min(100, left));
    await settle(4);
  }
}
