import { type GroupWait, NO_WAIT, VIEW_MS, nextWait } from '../../../core/alert/cluster/group-wait.ts';
import type { GroupView } from '../../../core/alert/cluster/shard-lease.ts';
import { isLive } from '../../../core/alert/cluster/shard.ts';
import type { Millis } from '../../../core/reading.ts';
import type { Logger, Metrics } from '../../../ports/metrics.ts';
import type { Clock } from '../../../ports/time.ts';
import type { ShardTable } from './shard-table.ts';

export interface MemberWaitDeps {
  readonly table: ShardTable;
  /** Messages that the broker keeps for this member are not read, or not written; absent: never. */
  readonly isUnread?: () => boolean;
  /** Evaluation resumes. */
  readonly onGained: () => void;
  /** How long one member may keep the others from evaluating. */
  readonly waitMs: Millis;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * The members of the share group that evaluation waits for, because they may hold earlier readings: in their session at the
 * broker, in their spool, or on their way to the database.
 */
export class MemberWait {
  private readonly deps: MemberWaitDeps;
  private readonly gauge;
  private wait: GroupWait = NO_WAIT;
  /** In monotonic time: when the rows were asked for that were read last. */
  private viewedMs = -Infinity;
  /** In monotonic time: since when this member itself is behind, with others present. */
  private unreadSinceMs: number | undefined;
  /** How long readings may have been on their way, in the wait that the shards catch up after. */
  private awayMs: Millis = 0;
  private waitingSinceMs: number | undefined;
  private hasOthers = false;

  constructor(deps: MemberWaitDeps) {
    this.deps = deps;
    this.gauge = deps.metrics.gauge(
      'fieldwatch_alerts_awaited_members',
      'Members of the share group that block evaluation here because they may hold earlier readings',
    );
    this.gauge.set(0);
  }

  /** Other members are present. */
  get inCompany(): boolean {
    return this.hasOthers;
  }

  /** Members that may have earlier readings, this one included. */
  get awaited(): readonly string[] {
    const { awaited } = this.wait;
    return this.isAwaitedItself ? [...awaited, this.deps.table.member] : awaited;
  }

  /** In monotonic time: since when evaluation has been waiting for members; undefined: it is not. */
  get sinceMs(): number | undefined {
    return this.waitingSinceMs;
  }

  /** While shards catch up after a wait, a reading may come so much after later ones. */
  get lateByMs(): Millis {
    return this.awayMs;
  }

  /** False while members are awaited, or where this one has not looked at the others for a while. */
  get mayEvaluate(): boolean {
    const { clock, waitMs } = this.deps;
    if (this.hasOthers && waitMs > 0 && clock.monotonicMs() - this.viewedMs > VIEW_MS) return false;
    return this.awaited.length === 0;
  }

  /** Regularly: whether this member itself has unread messages. */
  noteUnread(): void {
    const { clock, isUnread } = this.deps;
    if (isUnread?.() !== true) this.unreadSinceMs = undefined;
    else this.unreadSinceMs ??= clock.monotonicMs();
  }

  /** The rows of the group were read, as of `sentMs` in monotonic time: before the next evaluation earlier readings come first. */
  viewed(view: GroupView, sentMs: number): void {
    const { table, logger, waitMs, onGained } = this.deps;
    const { group, member } = table;
    this.viewedMs = sentMs;
    this.wait = nextWait(member, view, this.wait, waitMs);
    this.warnOfGivenUp(this.wait.givenUp);
    this.hasOthers =
      this.wait.awaited.length > 0 ||
      view.members.some((each) => each.id !== member && isLive(each, view.nowMs));
    const { awaited } = this;
    this.gauge.set(awaited.length);
    if (awaited.length > 0) {
      table.move(table.in('ready'), 'held');
      const unreadMs = this.deps.clock.monotonicMs() - (this.unreadSinceMs ?? Infinity);
      this.awayMs = Math.max(this.awayMs, this.wait.awayMs, unreadMs);
      if (this.waitingSinceMs === undefined)
        logger.info(
          { group, members: awaited, silent: this.wait.silent, at_most_s: waitMs / 1000 },
          'alert evaluation waits for members',
        );
      this.waitingSinceMs ??= this.deps.clock.monotonicMs();
      return;
    }
    if (this.waitingSinceMs !== undefined)
      logger.info({ group, shards: table.size }, 'alert evaluation no longer waits for members');
    this.waitingSinceMs = undefined;
    if (table.in('held', 'catching_up', 'new').length === 0) this.awayMs = 0;
    else onGained();
  }

  private get isAwaitedItself(): boolean {
    const { clock, waitMs, isUnread } = this.deps;
    if (!this.hasOthers || isUnread?.() !== true) return false;
    return clock.monotonicMs() - (this.unreadSinceMs ?? clock.monotonicMs()) < waitMs;
  }

  private warnOfGivenUp(members: readonly string[]): void {
    const { table, logger, waitMs } = this.deps;
    if (members.length === 0) return;
    const remedy =
      'Start those that do not run: the broker may keep messages in their sessions. Of one that is gone for good, end the session there.';
    logger.warn(
      { group: table.group, members, waited_s: waitMs / 1000, remedy },
      'alert evaluation goes on without members, readings that they still have count as late',
    );
  }
}
