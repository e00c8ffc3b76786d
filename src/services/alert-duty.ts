import type { AlertNotification, DutyEpoch } from '../core/alert/model.ts';
import { messageOf } from '../core/errors.ts';
import type { Clock, DutyStore, Logger, Metrics, Timer } from '../ports.ts';
import type { AlertEvaluator } from './batch-commit.ts';
import { codeOf } from './store-health.ts';

export interface AlertDutyOptions {
  /** The share group: its daemons share one duty. */
  readonly group: string;
  /** Of this process alone, in words that a person understands. */
  readonly owner: string;
}

/** What has to know of it; `Alerting` is it. */
export interface DutyBound {
  /** Nothing is evaluated from now on: what is remembered would be of yesterday when it is this daemon's turn again. */
  forget(): void;
  /** Whether all that the group hears is heard here. Where it is not, silence says nothing. */
  listen(hears: boolean, ear: 'group'): void;
}

export interface AlertDutyDeps {
  readonly store: DutyStore;
  readonly alerting: DutyBound;
  /** Lets alert lines go, with or without their rows. */
  readonly tell: Pick<AlertEvaluator, 'announce' | 'announceUnpersisted'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * `none`: another daemon evaluates, and this one hands its readings on. `catching_up`: the duty was taken; until the
 * inbox is empty this daemon hands on what arrives, for what waits there is older. `on`: it evaluates what arrives at once.
 */
export type DutyPhase = 'none' | 'catching_up' | 'on';

export const LEASE_MS = 10_000;
const LOOK_EVERY_MS = 2000;
/**
 * For so long a daemon must have reached the database before it takes a lease that ran out: when the database was away
 * for all of them, the holder, which went on evaluating, is to find it its own.
 */
const GRACE_MS = 10_000;
const STOP_PATIENCE_MS = 2000;

/**
 * Which of the daemons of a share group evaluates alerts: a lease with an epoch. The epoch is the fence of every
 * transaction that writes what was evaluated, so a holder that was frozen, or cut off, does no harm when it comes back.
 */
export class AlertDuty {
  private readonly options: AlertDutyOptions;
  private readonly deps: AlertDutyDeps;
  private readonly waiting;
  private readonly held;
  private duty: DutyEpoch | undefined;
  private current: DutyPhase = 'none';
  /** In monotonic time, which goes on while the process is frozen. */
  private leasedUntilMs = -Infinity;
  private reachedSinceMs: number | undefined;
  private failing: string | undefined;
  /** Committed, and not announced: whether the duty is still here was not certain. */
  private deferred: AlertNotification[] = [];
  /** The same of lines whose rows are still to come. */
  private undecided: AlertNotification[] = [];
  private timer: Timer | undefined;
  private looking: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(options: AlertDutyOptions, deps: AlertDutyDeps) {
    this.options = options;
    this.deps = deps;
    const { metrics } = deps;
    this.held = metrics.gauge(
      'fieldwatch_alert_duty',
      '1 while this daemon evaluates the alerts of its share group',
    );
    this.held.set(0);
    this.waiting = metrics.gauge(
      'fieldwatch_alert_inbox_readings',
      'Readings that wait for the daemon of the share group that evaluates alerts',
    );
  }

  get group(): string {
    return this.options.group;
  }

  /** The epoch of this daemon; undefined while another one has the duty. */
  get epoch(): DutyEpoch | undefined {
    return this.duty;
  }

  get phase(): DutyPhase {
    return this.current;
  }

  /** True while nobody else can have taken it. */
  get leased(): boolean {
    return this.duty !== undefined && this.deps.clock.monotonicMs() < this.leasedUntilMs;
  }

  /** Resolves after the first look: a daemon that is alone has the duty then. */
  start(): Promise<void> {
    return this.round();
  }

  /** What waited is evaluated: from now on what arrives is evaluated at once. */
  caughtUp(duty: DutyEpoch): void {
    if (this.current !== 'catching_up' || this.duty !== duty) return;
    this.current = 'on';
    this.deps.logger.info({ ...duty }, 'this daemon evaluates alerts');
  }

  /** While other daemons cannot be heard, for the database is away, nobody can tell whether sensors are silent. */
  attend(): void {
    this.deps.alerting.listen(this.leased && this.failing === undefined, 'group');
  }

  /** Another daemon has it: told by the fence, or by a look. */
  lost(duty: DutyEpoch): void {
    // A record of the spool may speak of an epoch long gone.
    if (this.duty?.group !== duty.group || this.duty.epoch !== duty.epoch) return;
    this.duty = undefined;
    this.current = 'none';
    this.held.set(0);
    // The next holder finds them in the outbox.
    this.deferred = [];
    this.undecided = [];
    this.deps.alerting.forget();
    this.deps.logger.warn({ ...duty }, 'another daemon evaluates alerts now; readings are handed on to it');
  }

  /**
   * Lets lines go, or keeps them until it is certain that nobody else announces them: who takes the duty over announces
   * what it finds in the outbox.
   */
  announce(notifications: readonly AlertNotification[]): void {
    if (this.leased) this.deps.tell.announce(notifications);
    else if (this.duty !== undefined) this.deferred.push(...notifications);
  }

  /**
   * The database is away, or slow: then they leave at once. A process that was frozen cannot tell it from that, and
   * asks first: somebody else may have told them long ago.
   */
  announceUnpersisted(notifications: readonly AlertNotification[]): void | Promise<void> {
    if (this.leased || this.failing !== undefined) return this.deps.tell.announceUnpersisted(notifications);
    if (this.duty !== undefined) this.undecided.push(...notifications);
  }

  /** Looks no more, and keeps what it has. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.timer?.cancel();
    await this.briefly(this.looking);
  }

  /** After the last commit, and after its lines are out: the next one has it at once. */
  async release(): Promise<void> {
    await this.stop();
    const { duty } = this;
    if (duty === undefined) return;
    this.duty = undefined;
    this.current = 'none';
    const released = this.deps.store.release(duty).catch((error: unknown) => {
      this.deps.logger.warn(
        { error: messageOf(error) },
        'the alert duty was not given back; it is free when its lease has run out',
      );
    });
    await this.briefly(released);
  }

  /** A stop does not wait for a database that is silent. */
  private async briefly(work: Promise<void>): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.deps.clock.after(STOP_PATIENCE_MS, resolve);
    });
    await Promise.race([work, late]);
    timer?.cancel();
  }

  private round(): Promise<void> {
    this.looking = this.look().finally(() => {
      if (!this.stopped) this.timer = this.deps.clock.after(LOOK_EVERY_MS, () => void this.round());
    });
    return this.looking;
  }

  private async look(): Promise<void> {
    const { store, clock, logger } = this.deps;
    const startedMs = clock.monotonicMs();
    try {
      if (this.duty === undefined) await this.tryToTake(startedMs);
      else await this.keep(this.duty, startedMs);
      this.waiting.set(await store.waiting(this.group));
      // A server that answers after seconds was away for the holder, too.
      const slow = clock.monotonicMs() - startedMs > LOOK_EVERY_MS;
      this.reachedSinceMs = slow ? undefined : (this.reachedSinceMs ?? startedMs);
      this.failing = undefined;
    } catch (error) {
      this.reachedSinceMs = undefined;
      const code = codeOf(error);
      if (this.failing !== code)
        logger.debug({ code, error: messageOf(error) }, 'cannot look at the alert duty; tried again');
      this.failing = code;
    }
    this.decide();
    this.attend();
  }

  private async tryToTake(startedMs: number): Promise<void> {
    const { store, logger } = this.deps;
    const patient = this.reachedSinceMs !== undefined && startedMs - this.reachedSinceMs >= GRACE_MS;
    const epoch = await store.take(this.group, this.options.owner, LEASE_MS, patient);
    if (epoch === undefined) return;
    this.duty = { group: this.group, epoch };
    this.current = 'catching_up';
    this.leasedUntilMs = startedMs + LEASE_MS;
    this.held.set(1);
    logger.info({ group: this.group, epoch }, 'this daemon has taken the alert duty');
  }

  private async keep(duty: DutyEpoch, startedMs: number): Promise<void> {
    if (!(await this.deps.store.renew(duty, LEASE_MS))) return this.lost(duty);
    if (this.duty !== duty) return;
    this.leasedUntilMs = startedMs + LEASE_MS;
    const { deferred } = this;
    this.deferred = [];
    if (deferred.length > 0) this.deps.tell.announce(deferred);
  }

  /** After a look: the duty is still here, or nobody can say. */
  private decide(): void {
    const { undecided } = this;
    this.undecided = [];
    if (undecided.length > 0) void this.deps.tell.announceUnpersisted(undecided);
  }
}
