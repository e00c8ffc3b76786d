import { NO_WATERMARKS, type Watermarks, newestWatermarks } from '../../src/core/alert/engine/watermarks.ts';
import type { AlertBatch } from '../../src/core/alert/model.ts';
import { Arrivals } from '../../src/core/ingest/arrival.ts';
import type {
  Connectivity,
  InboundMessage,
  MessageHandlers,
  MessageSource,
} from '../../src/ports/messages.ts';
import type { Metrics } from '../../src/ports/metrics.ts';
import type { NewDevice, Sensor, SensorChanges, SensorStore } from '../../src/ports/sensors.ts';
import {
  type Spool,
  type SpoolAmount,
  type SpoolContents,
  type SpoolRecord,
  type SpooledRecord,
  itemsOfRecord,
} from '../../src/ports/spool.ts';
import type { ReadingStore, StoreBatch } from '../../src/ports/store.ts';

/** Metrics that remember their last values, by `name` or `name{label=value}`. */
export class RecordingMetrics implements Metrics {
  readonly values = new Map<string, number>();
  private readonly collectors: (() => void)[] = [];

  counter(name: string) {
    return { inc: (by = 1, labels?: Readonly<Record<string, string>>) => this.add(key(name, labels), by) };
  }

  gauge(name: string) {
    return {
      set: (value: number, labels?: Readonly<Record<string, string>>) =>
        void this.values.set(key(name, labels), value),
      clear: () => {
        for (const each of [...this.values.keys()])
          if (each === name || each.startsWith(`${name}{`)) this.values.delete(each);
      },
    };
  }

  histogram(name: string) {
    return { observe: () => this.add(`${name}_count`, 1) };
  }

  onCollect(collect: () => void): void {
    this.collectors.push(collect);
  }

  scrape(): ReadonlyMap<string, number> {
    for (const collect of this.collectors) collect();
    return this.values;
  }

  private add(name: string, by: number): void {
    this.values.set(name, (this.values.get(name) ?? 0) + by);
  }
}

function key(name: string, labels?: Readonly<Record<string, string>>): string {
  if (labels === undefined) return name;
  return `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}=${value}`)
    .join(',')}}`;
}

const ARRIVAL_MS = 1_700_000_000_000;

/** A broker connection in memory. */
export class FakeSource implements MessageSource {
  handlers: MessageHandlers | undefined;
  readonly acknowledged: InboundMessage[] = [];
  acknowledgeCalls = 0;
  paused = false;
  stopped = false;
  private nextPacketId = 1;
  private readonly arrivals = new Arrivals();

  async start(handlers: MessageHandlers): Promise<void> {
    this.handlers = handlers;
    this.connectivity({
      state: 'connected',
      sessionPresent: false,
      receiveMaximum: 1000,
      protocolVersion: 5,
    });
  }

  connectivity(connectivity: Connectivity): void {
    this.handlers?.onConnectivity(connectivity);
  }

  deliver(topic: string, payload: string, extra: Partial<InboundMessage> = {}): InboundMessage {
    const message: InboundMessage = {
      topic,
      payload: new TextEncoder().encode(payload),
      qos: 1,
      retain: false,
      dup: false,
      receivedAtMs: ARRIVAL_MS,
      arrivalUs: this.arrivals.stamp((extra.receivedAtMs ?? ARRIVAL_MS) * 1000),
      contentType: undefined,
      epoch: 1,
      packetId: this.nextPacketId++,
      ...extra,
    };
    this.handlers?.onMessage(message);
    return message;
  }

  acknowledge(messages: readonly InboundMessage[]): void {
    this.acknowledgeCalls += 1;
    this.acknowledged.push(...messages);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  async resubscribe(): Promise<void> {}
  async stopReceiving(): Promise<void> {}
  async stop(): Promise<void> {
    this.stopped = true;
  }
}

export type CommitResult = Awaited<ReturnType<ReadingStore['commit']>>;

/** A store whose commits the test answers one by one, or all with `auto`. */
export class FakeStore implements ReadingStore {
  disconnects = 0;
  readonly batches: StoreBatch[] = [];
  auto: ((batch: StoreBatch) => CommitResult | Error) | undefined;
  private readonly waiting: {
    batch: StoreBatch;
    resolve: (result: CommitResult) => void;
    reject: (error: Error) => void;
  }[] = [];
  private arrived: (() => void) | undefined;

  async disconnect(): Promise<void> {
    this.disconnects++;
  }

  commit(batch: StoreBatch): Promise<CommitResult> {
    // Copied: the writer may change its arrays afterwards.
    this.batches.push({ ...batch, readings: [...batch.readings], deadLetters: [...batch.deadLetters] });
    const answer = this.auto?.(batch);
    if (answer instanceof Error) return Promise.reject(answer);
    if (answer !== undefined) return Promise.resolve(answer);
    return new Promise((resolve, reject) => {
      this.waiting.push({ batch, resolve, reject });
      this.arrived?.();
    });
  }

  /** Resolves once a commit waits for its answer. */
  async commitArrived(): Promise<void> {
    if (this.waiting.length > 0) return;
    await new Promise<void>((resolve) => {
      this.arrived = resolve;
    });
  }

  answer(result?: Partial<CommitResult> | Error): void {
    const commit = this.waiting.shift();
    if (commit === undefined) throw new Error('no commit is waiting');
    if (result instanceof Error) commit.reject(result);
    else commit.resolve({ ...stored(commit.batch), ...result } as CommitResult);
  }

  async close(): Promise<void> {}
}

export function stored(batch: StoreBatch): CommitResult {
  return { kind: 'committed', stored: batch.readings.length, duplicate: 0, merged: 0, conflict: 0 };
}

/** A sensors table in memory. */
export class FakeDirectory implements SensorStore {
  readonly sensors = new Map<string, Sensor>();
  registerCalls = 0;
  failWith: Error | undefined;

  add(key: string, extra: Partial<Sensor> = {}): Sensor {
    const sensor: Sensor = {
      id: this.sensors.size + 1,
      key,
      name: null,
      type: null,
      location: null,
      tags: [],
      ...extra,
    };
    this.sensors.set(key, sensor);
    return sensor;
  }

  async loadChanges(): Promise<SensorChanges> {
    return { seq: 0, forgotten: new Map() };
  }
  async loadAll(): Promise<readonly Sensor[]> {
    return [...this.sensors.values()];
  }

  async find(keys: readonly string[]): Promise<readonly Sensor[]> {
    if (this.failWith !== undefined) throw this.failWith;
    return keys.flatMap((wanted) => this.sensors.get(wanted) ?? []);
  }

  async findByIds(ids: readonly number[]): Promise<readonly Sensor[]> {
    return [...this.sensors.values()].filter(({ id }) => ids.includes(id));
  }

  async locate(devices: readonly NewDevice[]): Promise<readonly Sensor[]> {
    if (this.failWith !== undefined) throw this.failWith;
    return devices.flatMap(({ key, location, gateway }) => {
      const sensor = this.sensors.get(key);
      if (sensor === undefined) return [];
      const placed = {
        ...sensor,
        location: sensor.location ?? location ?? null,
        gateway: sensor.gateway ?? gateway ?? null,
      };
      this.sensors.set(key, placed);
      return [placed];
    });
  }

  async register(devices: readonly NewDevice[]): Promise<readonly Sensor[]> {
    this.registerCalls += 1;
    if (this.failWith !== undefined) throw this.failWith;
    return devices.map(
      ({ key, location, gateway }) =>
        this.sensors.get(key) ??
        this.add(key, {
          location: location ?? null,
          gateway: gateway ?? null,
          ...(location === undefined ? {} : { followsTopic: true }),
        }),
    );
  }

  async move(sensors: readonly NewDevice[]): Promise<readonly Sensor[]> {
    if (this.failWith !== undefined) throw this.failWith;
    return sensors.flatMap(({ key, location = null }) => {
      const sensor = this.sensors.get(key);
      if (sensor?.followsTopic !== true || sensor.location === location) return [];
      const moved = { ...sensor, location };
      this.sensors.set(key, moved);
      return [moved];
    });
  }

  async unretire(keys: readonly string[]): Promise<void> {
    if (this.failWith !== undefined) throw this.failWith;
    for (const key of keys) {
      const sensor = this.sensors.get(key);
      if (sensor?.retired === 'until_seen') this.sensors.set(key, { ...sensor, retired: null });
    }
  }
}

/** An alert engine with no rules. */
export function noAlerting() {
  const batch: AlertBatch = { states: [], raised: [], resolved: [], notifications: [] };
  return {
    prepare: async () => {},
    knows: () => true,
    evaluate: () => ({ batch, commit: () => {} }),
    publish: () => {},
    publishUnpersisted: () => {},
  };
}

/** Runs everything that is ready: as many iterations of the event loop as a chain of awaits needs. */
export async function settle(iterations = 20): Promise<void> {
  for (let i = 0; i < iterations; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A spool in memory, with configurable faults. */
export class FakeSpool implements Spool {
  records: SpooledRecord[] = [];
  parked: SpooledRecord[] = [];
  failWith: Error | undefined;
  /** Records that were read. */
  read = 0;
  private seq = 1;
  private evaluated: Watermarks = NO_WATERMARKS;

  get contents(): SpoolContents {
    const amount = (records: readonly SpooledRecord[]) => ({
      records: records.length,
      items: records.reduce((sum, each) => sum + itemsOfRecord(each), 0),
      bytes: records.length,
    });
    const lane = (name: SpooledRecord['lane']) => amount(this.records.filter((each) => each.lane === name));
    const lanes = { alerts: lane('alerts'), unresolved: lane('unresolved'), readings: lane('readings') };
    return { lanes, parked: amount(this.parked), oldestAtMs: undefined, damaged: amount([]), lostItems: 0 };
  }

  async append(
    records: readonly SpoolRecord[],
    evaluated = NO_WATERMARKS,
  ): Promise<readonly SpooledRecord[]> {
    if (this.failWith !== undefined) throw this.failWith;
    this.evaluated = newestWatermarks([this.evaluated, evaluated]);
    const added = records.map((record) => ({ ...record, seq: this.seq++, notified: false }));
    this.records.push(...added);
    return added;
  }

  async watermarks(): Promise<Watermarks> {
    return this.evaluated;
  }

  async forgetWatermarks(): Promise<void> {
    this.evaluated = NO_WATERMARKS;
  }

  async oldest(lane: SpooledRecord['lane'], most: Partial<SpoolAmount>): Promise<readonly SpooledRecord[]> {
    const { items: maxItems = Infinity, records: maxRecords = Infinity } = most;
    const found: SpooledRecord[] = [];
    let items = 0;
    for (const record of this.records.filter((each) => each.lane === lane)) {
      items += itemsOfRecord(record);
      if (found.length > 0 && (items > maxItems || found.length >= maxRecords)) break;
      found.push(record);
    }
    this.read += found.length;
    return found;
  }

  async remove(records: readonly SpooledRecord[]): Promise<void> {
    this.records = this.records.filter(({ seq }) => !records.some((each) => each.seq === seq));
  }

  async markNotified(record: SpooledRecord): Promise<void> {
    this.records = this.records.map((each) => (each.seq === record.seq ? { ...each, notified: true } : each));
  }

  async park(record: SpooledRecord): Promise<void> {
    await this.remove([record]);
    this.parked.push(record);
  }

  async unpark(): Promise<void> {
    this.records.push(...this.parked.splice(0));
  }

  async close(): Promise<void> {}
}
