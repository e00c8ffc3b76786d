import type { HandoverReading } from '../../../core/alert/cluster/handover-record.ts';
import { shardOf } from '../../../core/alert/cluster/shard.ts';
import { messageOf } from '../../../core/errors.ts';
import { Outage } from '../../../lib/outage.ts';
import { PollLoop } from '../../../lib/poll-loop.ts';
import { unlessAborted } from '../../../lib/timeout.ts';
import type { HandoverPage, HandoverRow, HandoverStore } from '../../../ports/handover.ts';
import type { Logger } from '../../../ports/metrics.ts';
import type { Sensor } from '../../../ports/sensors.ts';
import type { Clock } from '../../../ports/time.ts';
import type { SensorRegistry } from '../../ingest/sensor-registry.ts';
import { type EvaluatedBatch, NOTHING } from '../evaluation.ts';
import type { EvaluatedReading } from '../state-loader.ts';
import type { ShardLeases } from './shard-leases.ts';
import type { ShardState, ShardTable } from './shard-table.ts';

/** The alert engine, as far as the handover needs it; `AlertManager` implements it. */
export interface HandoverEngine {
  /** Reads the state that earlier owners left; the returned function loads it, between two batches. */
  include(
    shards: readonly number[],
    sensors: readonly Sensor[],
  ): Promise<(owned: readonly number[]) => boolean>;
  /** Readings wait at least this long for earlier ones. */
  waitFor(ms: number): void;
  /** Publishes what earlier owners of these shards left unpublished. */
  resume(shards: readonly number[]): Promise<void>;
  prepare(readings: readonly EvaluatedReading[], signal?: AbortSignal): Promise<void>;
  evaluate(readings: readonly EvaluatedReading[]): EvaluatedBatch | Promise<EvaluatedBatch>;
}

export interface HandoverReaderDeps {
  readonly table: ShardTable;
  readonly leases: Pick<ShardLeases, 'attend' | 'mayEvaluate' | 'holdIfBehind' | 'caughtUp' | 'lateByMs'>;
  readonly store: HandoverStore;
  readonly engine: HandoverEngine;
  readonly registry: Pick<SensorRegistry, 'load' | 'all' | 'findById' | 'learnIds' | 'forgotten'>;
  /** Runs an evaluation between two batches and commits it; drops it while the database is away. */
  readonly commit: (evaluate: (signal?: AbortSignal) => Promise<EvaluatedBatch>) => Promise<void>;
  /** Runs something between two batches; false where batches go to the spool. */
  readonly between: (run: () => void) => Promise<boolean>;
  /** Batches go to the spool now: what the handover holds cannot be read. */
  readonly spoolWriter: () => boolean;
  /** Notifies when there is something to read. */
  readonly notified: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const POLL_EVERY_MS = 200;
/** Beyond this age, what other members have received since is not known. */
const CURRENT_MS = 5000;
/**
 * Readings that several members held are merged in order of receipt, but a restarted member delivers some of them only then:
 * while shards catch up, readings wait this long for earlier ones.
 */
const CATCH_UP_LATENESS_MS = 30_000;
/** Poll interval where notifications arrive: the cost of a lost one. */
const NOTIFIED_EVERY_MS = 2000;

/** Readings of one transaction. More than a batch holds: an owner that catches up must be faster than the arrivals. */
const MOST_READINGS = 20_000;
/** Readings that even a busy single-board computer evaluates and commits within the time of one attempt. */
const LEAST_READINGS = 250;

/** Evaluates readings that other members hand over to the shards of this one, between two batches of its own. */
export class HandoverReader {
  private readonly deps: HandoverReaderDeps;
  private draining: Promise<void> | undefined;
  private readonly loop: PollLoop;
  private readonly outage: Outage;
  /** In monotonic time: everything handed over until then is evaluated. */
  private seenMs = -Infinity;
  /** Halved by each attempt that was given up: one that was too large for its time would be so for ever. */
  private most = MOST_READINGS;

  constructor(deps: HandoverReaderDeps) {
    this.deps = deps;
    const { clock } = deps;
    this.loop = new PollLoop({ clock, everyMs: POLL_EVERY_MS, run: () => this.poll() });
    this.outage = new Outage(clock);
  }

  start(): void {
    void this.loop.now();
  }

  /** There is something to read. Arrivals within a short delay are read together. */
  wake(): void {
    this.loop.soon(POLL_EVERY_MS);
  }

  /** It was just read to its end. */
  get isCurrent(): boolean {
    return this.deps.clock.monotonicMs() - this.seenMs < CURRENT_MS;
  }

  /** Idempotent. What is under way is finished by the writer, or stays where it is. */
  stop(): void {
    void this.loop.stop();
  }

  /**
   * Whether this member may evaluate. `decides`: before time alone decides anything, everything is evaluated that was
   * handed over until now. With the database away nothing is handed over, and it decides from what it has.
   */
  async ready(decides = true): Promise<boolean> {
    if (!this.isReady) return false;
    const seen = decides ? await this.catchUp() : this.isCurrent;
    const { leases, spoolWriter } = this.deps;
    leases.attend();
    return this.isReady && (spoolWriter() || (seen && leases.mayEvaluate));
  }

  private get isReady(): boolean {
    const { table } = this.deps;
    const isAlone = this.deps.spoolWriter();
    const [able, behind] = isAlone
      ? [table.in('ready', 'held'), table.in('catching_up')]
      : [table.in('ready'), table.in('catching_up', 'held')];
    return able.length > 0 && behind.length === 0;
  }

  private async poll(): Promise<number> {
    const isRead = await this.catchUp();
    const { notified, table } = this.deps;
    const isBehind = table.in('new', 'catching_up', 'held').length > 0 || !isRead;
    return notified() && !isBehind ? NOTIFIED_EVERY_MS : POLL_EVERY_MS;
  }

  /** Evaluates all waiting readings; false where they cannot be read. Never rejects. */
  private async catchUp(): Promise<boolean> {
    this.draining ??= this.drain().finally(() => (this.draining = undefined));
    try {
      await this.draining;
      this.outage.recovered();
      return true;
    } catch (error) {
      if (this.outage.failed(error))
        this.deps.logger.warn(
          { error: messageOf(error) },
          'cannot read the alert handover of other members, retrying',
        );
      return false;
    }
  }

  private async drain(): Promise<void> {
    // The spool comes first, and the database may be away.
    if (this.loop.isStopped || this.deps.spoolWriter()) return;
    const startedMs = this.deps.clock.monotonicMs();
    if (this.deps.table.in('new').length > 0) await this.include();
    while (!this.loop.isStopped && (await this.piece()));
    // It was dropped in between.
    if (!this.deps.spoolWriter() && this.deps.leases.mayEvaluate) this.seenMs = startedMs;
  }

  /** The states of gained shards are read while the others continue, and loaded between two batches. */
  private async include(): Promise<void> {
    const { table, engine, registry, between } = this.deps;
    const epochs = table.all;
    const fresh = table.in('new');
    // Devices that other members have registered since.
    await registry.load();
    const take = await engine.include(fresh, [...registry.all()]);
    let included: readonly number[] = [];
    const done = await between(() => {
      const { all } = table;
      const still = fresh.filter(
        (shard) => table.stateOf(shard) === 'new' && all.get(shard) === epochs.get(shard),
      );
      if (!take(still)) return;
      table.move(still, 'catching_up');
      included = still;
    });
    if (done && included.length > 0) await engine.resume(included);
  }

  /** One transaction's worth; true if there may be more. */
  private async piece(): Promise<boolean> {
    const { table, store, commit, leases, engine } = this.deps;
    leases.holdIfBehind();
    const behind = table.in('catching_up', 'held');
    const shards = table.in('catching_up', 'held', 'ready');
    if (shards.length === 0 || !leases.mayEvaluate) return false;
    // While catching up it checks with no batch being written: only then an empty handover means that it may evaluate at once.
    const ready = behind.length === 0 ? await store.read(table.group, shards, this.most) : undefined;
    if (ready?.rows.length === 0) return false;
    let more = false;
    let committed = false;
    await commit(async (signal) => {
      more = false;
      // A batch before it may have taken long.
      leases.holdIfBehind();
      if (this.loop.isStopped || !leases.mayEvaluate) return { ...NOTHING, commit: () => (committed = true) };
      const now = table.in('catching_up', 'held', 'ready');
      engine.waitFor(behind.length > 0 ? CATCH_UP_LATENESS_MS + leases.lateByMs : 0);
      const poll = ready ?? (await unlessAborted(store.read(table.group, now, this.most), signal));
      const evaluation = await this.evaluate(poll, new Set(now), signal);
      return {
        ...evaluation,
        commit: () => {
          evaluation.commit();
          committed = true;
          if (!poll.more) leases.caughtUp(behind.filter((shard) => isBehind(table.stateOf(shard))));
          if (table.in('catching_up', 'held').length === 0) engine.waitFor(0);
          more = poll.more;
        },
      };
    });
    this.most = committed
      ? Math.min(MOST_READINGS, 2 * this.most)
      : Math.max(LEAST_READINGS, Math.floor(this.most / 2));
    return more;
  }

  private async evaluate(
    { rows }: HandoverPage,
    owned: ReadonlySet<number>,
    signal: AbortSignal | undefined,
  ): Promise<EvaluatedBatch> {
    const { engine, table } = this.deps;
    const mine = rows.filter(({ shard }) => owned.has(shard));
    if (mine.length === 0) return NOTHING;
    await unlessAborted(this.learn(mine), signal);
    const { readings, others } = this.withSensors(mine, owned);
    await unlessAborted(engine.prepare(readings, signal), signal);
    const evaluation = await engine.evaluate(readings);
    const { batch } = evaluation;
    const fenced = new Set([
      ...(batch.fence?.shards ?? []).map(([shard]) => shard),
      ...mine.map(({ shard }) => shard),
    ]);
    return {
      batch: {
        ...batch,
        fence: table.fenceOf([...fenced].sort((a, b) => a - b)),
        dequeued: mine.map(({ id }) => id),
        ...(others.length === 0
          ? {}
          : { forwarded: { group: table.group, readings: others.map(handoverOf) } }),
      },
      commit: () => evaluation.commit(),
    };
  }

  /** Reads the sensors that another member has registered, or located, or whose gateway it knows. */
  private async learn(rows: readonly HandoverRow[]): Promise<void> {
    const { registry } = this.deps;
    const news = new Set<number>();
    for (const { readings } of rows)
      for (const { sensorId, located, hasGateway } of readings) {
        const sensor = registry.findById(this.idOf(sensorId));
        const isNews =
          sensor === undefined ||
          (sensor.location === null && located) ||
          (hasGateway === true && (sensor.gateway ?? null) === null);
        if (isNews) news.add(this.idOf(sensorId));
      }
    if (news.size > 0) await registry.learnIds([...news]);
  }

  /** Sensors that were merged into one of another member's shard are `others`. One that was deleted is ignored. */
  private withSensors(rows: readonly HandoverRow[], owned: ReadonlySet<number>) {
    const { registry } = this.deps;
    const [readings, others]: [EvaluatedReading[], EvaluatedReading[]] = [[], []];
    for (const row of rows)
      for (const { sensorId, timeUs, receivedAtMs, metrics, retained, spooled } of row.readings) {
        const sensor = registry.findById(this.idOf(sensorId));
        if (sensor === undefined) continue;
        const isOwned = sensor.id === sensorId || owned.has(shardOf(sensor.id));
        // No spread: it costs more than the evaluation.
        (isOwned ? readings : others).push({ sensor, timeUs, receivedAtMs, metrics, retained, spooled });
      }
    return { readings, others };
  }

  private idOf(sensorId: number): number {
    return this.deps.registry.forgotten.get(sensorId) ?? sensorId;
  }
}

const isBehind = (state: ShardState | undefined): boolean => state === 'catching_up' || state === 'held';

/** A reading on its way to the owner of its shard. */
export const handoverOf = ({
  sensor,
  timeUs,
  receivedAtMs,
  metrics,
  retained = false,
  spooled = false,
}: Omit<EvaluatedReading, 'metrics'> & {
  readonly metrics: ReadonlyMap<string, unknown>;
}): HandoverReading => ({
  sensorId: sensor.id,
  timeUs,
  receivedAtMs,
  metrics: metrics as ReadonlyMap<string, number>,
  retained,
  spooled,
  located: sensor.location !== null,
  hasGateway: typeof sensor.gateway === 'string' ? true : undefined,
});
