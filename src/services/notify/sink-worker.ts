import type { OutgoingNotification, SensorFactsOf } from '../../core/notify/delivery.ts';
import type { SinkFilter } from '../../core/notify/filter.ts';
import { COLLAPSE_AFTER_MS, GROUP_NAMES, groupLabelsOf } from '../../core/notify/grouping.ts';
import type { GroupingConfig } from '../../core/notify/routes.ts';
import { type HeldLease, LeaseLoop } from '../../lib/lease-loop.ts';
import { LogBudget } from '../../lib/log-budget.ts';
import { InterruptibleSleep } from '../../lib/sleep.ts';
import type {
  GroupName,
  NotificationStore,
  QueuedNotification,
  SinkQueue,
} from '../../ports/notification.ts';
import { MemoryQueue, type PlacedNotification } from './memory-queue.ts';
import { type SenderDeps, type SenderSettings, type SendOutcome, SinkSender } from './sink-sender.ts';

export interface SinkSettings extends SenderSettings {
  readonly filter: SinkFilter;
  readonly queueMax: number;
  readonly maxAgeMs: number;
  /** Where the route says nothing else; for a sink that takes groups. */
  readonly grouping: GroupingConfig;
}

export interface SinkWorkerDeps extends SenderDeps {
  readonly store: NotificationStore;
  /** Names this daemon among several. */
  readonly owner: string;
  readonly factsOf: (sensorId: number) => SensorFactsOf;
}

const POLL_MS = 5000;
/** Time to live of its lease; longer where a send may take longer. */
const LEASE_MS = 30_000;
const SINGLES = 50;
const BATCH = 200;
/** Groups of one look at the queue. */
const GROUPS = 200;
const MEMORY_MAX = 1000;
/** How long a resolved alert is resent where a sink needs that. */
const NOTIFIED_WITHIN_MS = 15 * 60_000;

/**
 * Sends one sink its queue: in order, at its rate, however long it takes. Nothing waits for it: its database work is short
 * statements of its own.
 */
export class SinkWorker {
  readonly settings: SinkSettings;
  readonly sender: SinkSender;
  readonly #deps: SinkWorkerDeps;
  readonly #memory: MemoryQueue;
  readonly #stored: SinkQueue;
  readonly #sleeper: InterruptibleSleep;
  readonly #overflows: LogBudget;
  readonly #memorySleeper: InterruptibleSleep;
  #draining: Promise<void> | undefined;
  /** One round of sending from memory. */
  #serving: Promise<number> | undefined;
  #stopping = false;
  #limitsAtMs = 0;
  #resendAtMs = 0;
  #droppedAtMs: number | undefined;
  readonly #loop: LeaseLoop;

  constructor(settings: SinkSettings, deps: SinkWorkerDeps) {
    this.settings = settings;
    this.sender = new SinkSender(settings, deps);
    this.#deps = deps;
    this.#stored = deps.store.queueOf(settings.name);
    this.#memory = new MemoryQueue(MEMORY_MAX, deps.clock);
    this.#overflows = new LogBudget(deps.clock);
    this.#sleeper = new InterruptibleSleep(deps.clock);
    this.#memorySleeper = new InterruptibleSleep(deps.clock);
    const { name, timeoutMs } = settings;
    const work = {
      ...{ name, kind: deps.sink.kind, ttlMs: Math.max(LEASE_MS, 3 * timeoutMs) },
      // Failures of the store; those of the sink are handled where they happen.
      failed: 'sink queue not readable, retrying',
      run: (lease: HeldLease) => this.#serveQueue(lease),
    };
    this.#loop = new LeaseLoop(work, { ...deps, logger: deps.logger.child({ sink: name }) });
  }

  /** Monotonic time at which notifications were last dropped; undefined if none were. */
  get droppedAtMs(): number | undefined {
    return this.#droppedAtMs;
  }

  start(): void {
    this.#loop.start();
  }

  /** There is something new in the queue. */
  wake(): void {
    this.#sleeper.wake();
    this.#loop.wake();
  }

  /** To be sent although the database does not have it. */
  sendNow(placed: readonly PlacedNotification[]): void {
    const over = this.#memory.push(placed);
    const waiting = over > 0 ? this.#overflows.take(over) : undefined;
    if (waiting !== undefined)
      this.#deps.logger.warn(
        { sink: this.settings.name, notifications: waiting },
        'notification memory queue full while the database is away, the oldest wait for the database',
      );
    this.#memorySleeper.wake();
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
  }

  /** Their rows exist: from here on they are in the stored queue. */
  stored(keys: ReadonlySet<string>): void {
    this.#memory.forget(keys);
    this.#memorySleeper.wake();
    this.wake();
  }

  /** Waiting notifications stay in the queue. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#sleeper.stop();
    this.#memorySleeper.stop();
    this.sender.stop();
    await this.#loop.stop();
    await this.#draining;
    await this.#deps.sink.close();
  }

  /** Until the lease is lost, or `stop`. */
  async #serveQueue(lease: HeldLease): Promise<void> {
    const interrupt = (): void => this.#sleeper.interrupt();
    lease.signal.addEventListener('abort', interrupt);
    try {
      await this.#restore();
      while (!this.#stopping && (await lease.hold())) {
        const waitMs = await this.#pass();
        lease.works();
        const { restMs } = this.sender;
        if (!lease.signal.aborted) await this.#sleeper.sleep(restMs > 0 ? Math.min(restMs, POLL_MS) : waitMs);
      }
      // Others may send what is queued from here on: not while the same is sent from memory.
      if (this.#stopping) await this.#draining;
    } finally {
      lease.signal.removeEventListener('abort', interrupt);
    }
  }

  /** Concurrent with the other loop, which may be waiting for the database that is away. */
  async #drain(): Promise<void> {
    while (!this.#stopping && this.#memory.size > 0) {
      this.#serving = this.#serve(this.#memory).finally(() => this.#memory.letGo());
      const waitMs = await this.#serving;
      await this.#memorySleeper.sleep(Math.max(waitMs, Math.min(this.sender.restMs, POLL_MS)));
    }
  }

  /** One pass over the stored queue; returns how long there will be nothing to do. */
  async #pass(): Promise<number> {
    // Notifications being sent from memory may be queued by now, and must not be sent twice.
    await this.#serving;
    await this.#recordSent();
    let waitMs = Math.min(POLL_MS, await this.#queueDue());
    const waiting = await this.#enforceLimits();
    if (waiting > 0 && this.sender.restMs === 0) waitMs = Math.min(waitMs, await this.#serve(this.#stored));
    waitMs = Math.min(waitMs, await this.#resend());
    const report = this.sender.report();
    if (report !== undefined) await this.#deps.store.report(this.settings.name, report);
    return Math.min(waitMs, POLL_MS);
  }

  async #restore(): Promise<void> {
    const { store, sink } = this.#deps;
    if (sink.resend !== undefined)
      sink.resend.restore(await store.notified(this.settings.name, NOTIFIED_WITHIN_MS));
  }

  async #recordSent(): Promise<void> {
    const sent = [...this.#memory.unrecorded];
    if (sent.length === 0) return;
    await this.#deps.store.record(this.settings.name, sent);
    this.#memory.recorded(sent.length);
  }

  /** Queues the held deliveries that are due; returns when the next one is. */
  async #queueDue(): Promise<number> {
    const { store, logger } = this.#deps;
    const { name } = this.settings;
    for (;;) {
      const { released, cancelled, postponed, nextInMs } = await store.queueDue(name);
      if (released + cancelled + postponed === 0 || this.#stopping) return nextInMs;
      logger.debug({ sink: name, released, cancelled, postponed }, 'held notifications due');
    }
  }

  /** Enforces the bounds of the queue; returns how many wait. */
  async #enforceLimits(): Promise<number> {
    const { clock, metrics, store, logger, sink } = this.#deps;
    const { name, queueMax, maxAgeMs } = this.settings;
    const waiting = await this.#stored.waiting();
    metrics.queued(name, waiting + this.#memory.size);
    if (waiting === 0 || (clock.monotonicMs() < this.#limitsAtMs && waiting <= queueMax)) return waiting;
    this.#limitsAtMs = clock.monotonicMs() + POLL_MS;
    // However many they are, those of one kind are sent as one: only a sink that is down has to drop any.
    const max = sink.deliveryMode === 'group' && this.sender.failing === undefined ? UNBOUNDED : queueMax;
    const bounds = { max, maxAgeMs, collapseAfterMs: COLLAPSE_AFTER_MS };
    const { queued, collapsed, dropped, expired } = await store.enforceLimits(name, bounds);
    metrics.collapsed(name, collapsed);
    if (dropped + expired > 0) {
      metrics.lost(name, 'dropped', dropped);
      metrics.lost(name, 'expired', expired);
      this.sender.dropped(dropped + expired);
      this.#droppedAtMs = clock.monotonicMs();
      // They may include the end of an alert that the sink keeps showing.
      await this.#restore();
      logger.error(
        { sink: name, dropped, expired, queued },
        'notifications dropped: sink queue over its limit',
      );
    }
    metrics.queued(name, queued + this.#memory.size);
    return queued;
  }

  /** Sends a slice of a queue; returns how long the rest must wait. */
  async #serve(queue: SinkQueue): Promise<number> {
    const { deliveryMode } = this.#deps.sink;
    if (deliveryMode === 'group') return this.#serveGroups(queue);
    const isBatch = deliveryMode === 'batch';
    const items = await queue.next(isBatch ? BATCH : SINGLES);
    if (items.length === 0) return POLL_MS;
    if (!isBatch) await this.#sendSingly(queue, items);
    else {
      const outcome = await this.sender.send({
        notifications: items.map(this.#outgoing),
        total: items.length,
      });
      const ids = items.map(({ id }) => id);
      if (outcome !== 'later') await queue.confirm(ids, outcome);
    }
    return 0;
  }

  /** The groups that are due, each in one send. */
  async #serveGroups(queue: SinkQueue): Promise<number> {
    const groups = await queue.groups(GROUPS);
    let isAnySent = false;
    for (const group of groups.filter(({ dueInMs }) => dueInMs <= 0)) {
      const outcome = await this.#sendGroup(queue, group);
      if (outcome === 'later') return 0;
      isAnySent ||= outcome !== 'empty';
    }
    if (isAnySent) return 0;
    return groups.reduce(
      (leastMs, { dueInMs }) => (dueInMs > 0 ? Math.min(leastMs, dueInMs) : leastMs),
      POLL_MS,
    );
  }

  /** `empty`: all of it waits behind earlier notifications of the same episodes. */
  async #sendGroup(queue: SinkQueue, name: GroupName): Promise<SendOutcome | 'empty'> {
    const group = await queue.group(name, GROUP_NAMES);
    const { total, first } = group;
    if (total === 0) return 'empty';
    const isDivisible = total > 1 && total === first.length;
    const delivery = { notifications: first.map(this.#outgoing), total, group: groupLabelsOf(name.groupKey) };
    const outcome = await this.sender.send(delivery, { isDivisible });
    if (outcome === 'refused' && isDivisible) return this.#sendSingly(queue, first);
    if (outcome !== 'later') await queue.confirmGroup(name, group, outcome);
    return outcome;
  }

  /** One that the sink refuses takes none of the others with it. */
  async #sendSingly(queue: SinkQueue, items: readonly QueuedNotification[]): Promise<SendOutcome> {
    for (const item of items) {
      const outcome = await this.sender.send({ notifications: [this.#outgoing(item)], total: 1 });
      if (outcome === 'later') return outcome;
      await queue.confirm([item.id], outcome);
    }
    return 'sent';
  }

  /** Resends to a sink; returns when next. */
  async #resend(): Promise<number> {
    const { resend } = this.#deps.sink;
    if (resend === undefined) return Infinity;
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs < this.#resendAtMs) return this.#resendAtMs - nowMs;
    if (await this.sender.resend()) this.#resendAtMs = nowMs + resend.everyMs;
    return resend.everyMs;
  }

  readonly #outgoing = ({
    notification,
    origin,
    step = 0,
    notified,
  }: QueuedNotification): OutgoingNotification => ({
    ...notification,
    facts: this.#deps.factsOf(notification.sensorId),
    ...(origin === undefined || origin === null ? {} : { origin }),
    ...(step > 0 ? { escalatedAfterS: step, notified: notified ?? undefined } : {}),
    ...(step < 0 ? { repetition: -step } : {}),
  });
}

const UNBOUNDED = Number.MAX_SAFE_INTEGER;
