import { BEAT_MS } from '../../../core/alert/cluster/group-wait.ts';
import {
  GRACE_MS,
  type GroupView,
  type OwnedShards,
  leaseHeldUntilMs,
  shardMoves,
} from '../../../core/alert/cluster/shard-lease.ts';
import { LEASE_MS, shardOf } from '../../../core/alert/cluster/shard.ts';
import type { AlertNotification } from '../../../core/alert/model.ts';
import { codeOf, messageOf } from '../../../core/errors.ts';
import type { Millis } from '../../../core/reading.ts';
import { Outage } from '../../../lib/outage.ts';
import { PollLoop } from '../../../lib/poll-loop.ts';
import { endsWithin } from '../../../lib/timeout.ts';
import type { LeaseStore, MemberReport, Remains } from '../../../ports/lease.ts';
import type { Logger, Metrics } from '../../../ports/metrics.ts';
import type { Clock } from '../../../ports/time.ts';
import type { AlertEvaluator } from '../../ingest/batch-commit.ts';
import { MemberWait } from './member-wait.ts';
import type { ShardTable } from './shard-table.ts';

/** Follows the ownership of shards; `AlertManager` implements it. */
export interface ShardBound {
  /** These are not evaluated from now on: their state would be outdated when they are owned again. */
  forget(shards: Iterable<number>): void;
  /** Whether everything that the group receives arrives here. Where it does not, silence means nothing. */
  setReceiving(receiving: boolean, source: 'group'): void;
}

export interface ShardLeasesDeps {
  readonly table: ShardTable;
  readonly store: LeaseStore;
  readonly alertManager: ShardBound;
  /** Releases alert lines, with or without their rows. */
  readonly lines: Pick<AlertEvaluator, 'publish' | 'publishUnpersisted'>;
  readonly report: () => Omit<MemberReport, 'behind'>;
  /** Whether others should wait for readings of this member; undefined: not reported. */
  readonly isBehind: () => boolean | undefined;
  /** Messages that the broker keeps for this member are not read, or not written; absent: never. */
  readonly isUnread?: () => boolean;
  /** Readings of the whole group that wait for an owner. */
  readonly waiting: () => Promise<number>;
  /** Between two batches: the engine drops the leaving shards, and their lines are published. False: not now. */
  readonly finish: () => Promise<boolean>;
  /** Evaluations go to the spool: shards of which it holds anything cannot be released. */
  readonly spoolWriter: () => boolean;
  /** The handover was just read to its end: everything that other members received until then has arrived. */
  readonly isCurrent: () => boolean;
  /** Shards were gained, or evaluation resumes. */
  readonly onGained: () => void;
  /** After each read of the rows. */
  readonly onView?: (view: GroupView) => void;
  /** How long one member may keep the others from evaluating. */
  readonly waitMs: Millis;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const POLL_EVERY_MS = 2000;
/** How often a member checks whether it is behind, with others present and alone. */
const CHECK_EVERY_MS = 200;
const CHECK_ALONE_EVERY_MS = 1000;
const COUNT_WAITING_EVERY_MS = 10_000;
const STOP_PATIENCE_MS = 2000;

/**
 * Which shards of its share group this member owns: a lease in its row, and a fencing token for each shard. The tokens
 * guard every transaction that writes evaluations, so a member that was frozen, or cut off, does no harm when it returns.
 */
export class ShardLeases {
  private readonly deps: ShardLeasesDeps;
  private readonly owned;
  private readonly waiting;
  private readonly members: MemberWait;
  /** In monotonic time, which continues while the process is frozen. */
  private leasedUntilMs = -Infinity;
  private reachedSinceMs: number | undefined;
  private readonly outage: Outage;
  private reported: boolean | undefined;
  private waitingLookedMs = -Infinity;
  /** Committed, and not published: whether their shards were still owned was not certain. */
  private deferred: AlertNotification[] = [];
  /** Lines that wait for the same reason, and whose rows are still to come. */
  private undecided: AlertNotification[] = [];
  private leaving: Promise<void> | undefined;
  /** The epoch under which each shard was last released. */
  private readonly released = new Map<number, number>();
  private readonly rounds: PollLoop;
  private readonly checks: PollLoop;
  private joined = false;

  constructor(deps: ShardLeasesDeps) {
    this.deps = deps;
    const { clock, metrics } = deps;
    this.outage = new Outage(clock);
    this.members = new MemberWait(deps);
    this.rounds = new PollLoop({ clock, everyMs: POLL_EVERY_MS, run: () => this.round() });
    this.checks = new PollLoop({ clock, everyMs: CHECK_EVERY_MS, run: () => this.check() });
    this.owned = metrics.gauge(
      'fieldwatch_shards_owned',
      'Alert shards owned by this member of the share group, of 64',
    );
    this.owned.set(0);
    this.waiting = metrics.gauge(
      'fieldwatch_handover_readings',
      'Readings waiting in the handover for the owners of their shards',
    );
  }

  /** True while no other member can have acquired a shard. */
  get leased(): boolean {
    return this.deps.table.size > 0 && this.deps.clock.monotonicMs() < this.leasedUntilMs;
  }

  /** Members that may have earlier readings: until they have handed them over, nothing is evaluated. */
  get awaited(): readonly string[] {
    return this.members.awaited;
  }

  get waitsSinceMs(): number | undefined {
    return this.members.sinceMs;
  }

  get lateByMs(): Millis {
    return this.members.lateByMs;
  }

  get mayEvaluate(): boolean {
    return this.members.mayEvaluate;
  }

  /** Resolves after the first round: a member that is alone owns all shards then. */
  start(): Promise<void> {
    void this.checks.now();
    return this.rounds.now();
  }

  /** Before arrivals are evaluated: after a standstill it comes to light here first that something is earlier. */
  holdIfBehind(): void {
    const { table, spoolWriter } = this.deps;
    if (this.mayEvaluate || spoolWriter() || table.in('ready').length === 0) return;
    table.move(table.in('ready'), 'held');
    this.poll();
  }

  /** The report of this member has changed: the others learn it at once. */
  private check(): number {
    this.members.noteUnread();
    if (!this.members.inCompany) return CHECK_ALONE_EVERY_MS;
    if (this.reported !== undefined && this.deps.isBehind() !== this.reported) this.poll();
    return CHECK_EVERY_MS;
  }

  /** Shards were released, or a member left. */
  poll(): void {
    void this.rounds.now();
  }

  /** Nothing of them waits: from now on arrivals are evaluated at once. */
  caughtUp(shards: readonly number[]): void {
    if (shards.length === 0) return;
    const { table, logger } = this.deps;
    table.move(shards, 'ready');
    logger.info(
      { group: table.group, shards: shards.length, owned: table.size },
      'alert shards evaluated by this member',
    );
  }

  /**
   * While the database is away, or after this process stood still, what other members receive is unknown, and silence
   * means nothing.
   */
  attend(): void {
    const { alertManager, isCurrent } = this.deps;
    alertManager.setReceiving(this.leased && this.outage.trouble === undefined && isCurrent(), 'group');
  }

  /** The fencing token was refused for their evaluations. There may be more. */
  refused(shards: readonly number[]): void {
    this.lost(shards);
    this.poll();
  }

  /** Another member owns them. */
  private lost(shards: readonly number[]): void {
    const { table, alertManager, logger } = this.deps;
    const gone = new Set(table.lose(shards));
    alertManager.forget(shards);
    if (gone.size === 0) return;
    this.owned.set(table.size);
    // The next owner finds them in the outbox.
    const isKept = ({ sensorId }: AlertNotification) => !gone.has(shardOf(sensorId));
    this.deferred = this.deferred.filter(isKept);
    this.undecided = this.undecided.filter(isKept);
    logger.warn(
      { group: table.group, shards: gone.size, owned: table.size },
      'alert shards lost to another member, handing over their readings',
    );
  }

  /**
   * The database is back. What was evaluated meanwhile lacked what other members received: it is dropped, the states are
   * read again, and all readings of that time arrive by the handover. Rejects while nothing can be written yet.
   */
  async regroup(): Promise<void> {
    const { table, store, alertManager, report, isBehind } = this.deps;
    this.joined = true;
    // The others wait until its spool is empty: its row says so before anything drains.
    await store.renew(table.group, table.member, LEASE_MS, { ...report(), behind: isBehind() });
    const evaluated = table.in('ready', 'held', 'catching_up');
    if (evaluated.length === 0) return;
    table.nextEra();
    alertManager.forget(evaluated);
    table.move(evaluated, 'new');
  }

  /**
   * Releases lines, or keeps them until it is certain that no other member publishes them: a member that acquires shards
   * publishes what it finds in the outbox.
   */
  publish(notifications: readonly AlertNotification[]): void {
    if (this.leased) this.deps.lines.publish(notifications);
    else this.deferred.push(...this.mine(notifications));
  }

  /**
   * The database is away, or slow: they are released at once. A process that was frozen cannot distinguish that, and
   * checks first: another member may have published them long ago.
   */
  publishUnpersisted(notifications: readonly AlertNotification[]): void | Promise<void> {
    if (this.leased || this.outage.trouble !== undefined)
      return this.deps.lines.publishUnpersisted(notifications);
    this.undecided.push(...this.mine(notifications));
  }

  /** No more rounds; the shards are kept. */
  async stop(): Promise<void> {
    void this.checks.stop();
    await this.briefly(Promise.all([this.rounds.stop(), this.leaving]));
  }

  /**
   * Whether another member is subscribed to the same, so that this one may end its subscription: of members that stop
   * at once, the last one keeps it. False where that cannot be determined.
   */
  async depart(): Promise<boolean> {
    const { table, store } = this.deps;
    let may = false;
    const asked = store.depart(table.group, table.member).then(
      (answer) => (may = answer),
      () => false,
    );
    await this.briefly(asked);
    return may;
  }

  /**
   * After the last commit, and after its lines are published: other members may acquire the shards at once. Where nothing
   * remains of this member at the broker or in its spool, no member needs to wait for its return.
   */
  async release(remains: Remains = 'something'): Promise<void> {
    await this.stop();
    const { table, store, logger } = this.deps;
    table.lose(table.all.keys());
    if (!this.joined) return;
    this.joined = false;
    const released = store.leave(table.group, table.member, remains).catch((error: unknown) => {
      logger.warn({ error: messageOf(error) }, 'alert shards not released, free when the lease expires');
    });
    await this.briefly(released);
  }

  private mine(notifications: readonly AlertNotification[]): AlertNotification[] {
    return notifications.filter(({ sensorId }) => this.deps.table.stateOf(shardOf(sensorId)) !== undefined);
  }

  /** A stop does not wait for an unresponsive database. */
  private async briefly(work: Promise<unknown>): Promise<void> {
    await endsWithin(work, STOP_PATIENCE_MS, this.deps.clock);
  }

  private async round(): Promise<number> {
    const { clock, logger } = this.deps;
    const startedMs = clock.monotonicMs();
    try {
      await this.pollOnce(startedMs);
      await this.countWaiting(startedMs);
      // A server that answers after seconds was away for the other members, too.
      const slow = clock.monotonicMs() - startedMs > POLL_EVERY_MS;
      this.reachedSinceMs = slow ? undefined : (this.reachedSinceMs ?? startedMs);
      this.outage.recovered();
    } catch (error) {
      this.reachedSinceMs = undefined;
      if (this.outage.failed(error))
        logger.debug(
          { code: codeOf(error), error: messageOf(error) },
          'cannot read the alert shards, retrying',
        );
    }
    this.decide();
    this.attend();
    return this.members.inCompany ? BEAT_MS : POLL_EVERY_MS;
  }

  private async pollOnce(startedMs: number): Promise<void> {
    const { store, table, report, isBehind } = this.deps;
    const { group, member } = table;
    const sentMs = this.deps.clock.monotonicMs();
    this.joined = true;
    const behind = isBehind();
    const view = await store.renew(group, member, LEASE_MS, { ...report(), behind });
    this.reported = behind;
    this.deps.onView?.(view);
    this.members.viewed(view, sentMs);
    const isPatient = this.reachedSinceMs !== undefined && startedMs - this.reachedSinceMs >= GRACE_MS;
    await this.follow(view, isPatient);
    this.leasedUntilMs = leaseHeldUntilMs(sentMs);
    const { deferred } = this;
    this.deferred = [];
    if (deferred.length > 0) this.deps.lines.publish(deferred);
  }

  private async countWaiting(nowMs: Millis): Promise<void> {
    if (nowMs - this.waitingLookedMs < COUNT_WAITING_EVERY_MS) return;
    this.waiting.set(await this.deps.waiting());
    this.waitingLookedMs = nowMs;
  }

  private async follow(view: GroupView, takesExpired: boolean): Promise<void> {
    const { store, table, onGained, logger } = this.deps;
    const { group, member } = table;
    const { owned, lost, release, take } = shardMoves(member, view, table.all, takesExpired);
    this.lost([...lost.keys()]);
    const taken = take.size === 0 ? new Map<number, number>() : await store.take(group, member, take);
    // Rows that were read before the last release: a shard under the same epoch is never owned again.
    const isNew = ([shard, epoch]: readonly [number, number]) =>
      table.stateOf(shard) === undefined && this.released.get(shard) !== epoch;
    const gained = new Map([...[...owned].filter(isNew), ...taken]);
    table.gain(gained);
    // The plan has changed, and the leaving shards stay: the engine may have dropped them by now.
    const stays = table.in('leaving').filter((shard) => !release.has(shard));
    if (this.leaving === undefined) table.move(stays, 'new');
    if (release.size > 0) this.giveBack(release);
    this.owned.set(table.size);
    if (gained.size + stays.length === 0) return;
    if (gained.size > 0)
      logger.info({ group, shards: gained.size, owned: table.size }, 'alert shards acquired');
    onGained();
  }

  /** In the background: the lease is renewed meanwhile. */
  private giveBack(release: OwnedShards): void {
    const { table, spoolWriter } = this.deps;
    if (this.leaving !== undefined || spoolWriter()) return;
    const shards = new Map([...release].filter(([shard]) => table.stateOf(shard) !== undefined));
    if (shards.size === 0) return;
    table.move(shards.keys(), 'leaving');
    this.leaving = this.handBack(shards).finally(() => (this.leaving = undefined));
  }

  private async handBack(shards: OwnedShards): Promise<void> {
    const { table, store, alertManager, logger, finish } = this.deps;
    alertManager.forget(shards.keys());
    try {
      if (!(await finish())) return;
      const left = new Map([...shards].filter(([shard]) => table.stateOf(shard) === 'leaving'));
      await store.release(table.group, table.member, left);
      for (const [shard, epoch] of left) this.released.set(shard, epoch);
      table.lose(left.keys());
      this.owned.set(table.size);
      logger.info(
        { group: table.group, shards: left.size, owned: table.size },
        'alert shards released to another member',
      );
    } catch (error) {
      logger.debug({ error: messageOf(error) }, 'alert shards not released, retrying');
    }
  }

  /** After a round: the shards are still owned, or that cannot be determined. */
  private decide(): void {
    const { undecided } = this;
    this.undecided = [];
    if (undecided.length > 0) void this.deps.lines.publishUnpersisted(undecided);
  }
}
