import { type Placement, groupDueMs } from '../../core/notify/grouping.ts';
import type { Millis } from '../../core/reading.ts';
import type { NotificationKey } from '../../ports/alerts.ts';
import type {
  DeliveryOutcome,
  GroupName,
  QueuedGroup,
  QueuedNotification,
  SentNotification,
  SinkQueue,
  WaitingGroup,
} from '../../ports/notification.ts';
import type { Clock } from '../../ports/time.ts';

/** A notification, and the group that it belongs to. */
export interface PlacedNotification extends Placement, SentNotification {}

interface Waiting extends QueuedNotification, SentNotification {
  readonly placement: Placement;
  /** By the monotonic clock. */
  readonly dueMs: Millis;
}

/**
 * Notifications of one sink that are not in the database yet: it is away. Bounded: the oldest are removed first, and they
 * are not lost, since they are queued in the database with their rows.
 */
export class MemoryQueue implements SinkQueue {
  readonly #max: number;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #waiting: Waiting[] = [];
  /** When groups were sent last; those whose interval is over are dropped. */
  readonly #flushed = new Map<string, { readonly atMs: Millis; readonly intervalMs: Millis }>();
  #unrecorded: SentNotification[] = [];
  #nextId = 1;
  /** Notifications taken out to be sent, and those of them that are in the stored queue by now. */
  readonly #inHand = new Set<number>();
  readonly #orphans = new Set<number>();

  constructor(max: number, clock: Pick<Clock, 'monotonicMs'>) {
    this.#max = max;
    this.#clock = clock;
  }

  /** How many were removed. */
  push(placed: readonly PlacedNotification[]): number {
    const nowMs = this.#clock.monotonicMs();
    for (const { notification, route, ...placement } of placed)
      this.#waiting.push({
        id: this.#nextId++,
        notification,
        route,
        placement,
        dueMs: nowMs + placement.waitMs,
      });
    return this.bound(this.#max);
  }

  /** Removes the oldest; returns how many. */
  bound(max: number): number {
    const over = Math.max(0, this.#waiting.length - max);
    this.#waiting.splice(0, over);
    return over;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** Their rows exist now, and with them their place in the stored queue. What is being sent stays until `letGo`. */
  forget(keys: ReadonlySet<string>): void {
    this.#waiting = this.#waiting.filter(({ id, notification }) => {
      if (!keys.has(keyOf(notification))) return true;
      if (this.#inHand.has(id)) this.#orphans.add(id);
      return this.#inHand.has(id);
    });
  }

  /** The notifications taken out are settled, or were not accepted. */
  letGo(): void {
    this.#waiting = this.#waiting.filter(({ id }) => !this.#orphans.has(id));
    this.#inHand.clear();
    this.#orphans.clear();
  }

  /** Sent, and not yet marked in the database. */
  get unrecorded(): readonly SentNotification[] {
    return this.#unrecorded;
  }

  recorded(count: number): void {
    this.#unrecorded.splice(0, count);
  }

  async waiting(): Promise<number> {
    return this.#waiting.length;
  }

  async groups(limit: number): Promise<readonly WaitingGroup[]> {
    const nowMs = this.#clock.monotonicMs();
    const groups = new Map<string, WaitingGroup & { firstDueMs: Millis; intervalMs: Millis }>();
    for (const { notification, placement, dueMs } of this.#waiting) {
      const { event } = notification;
      const { groupKey, intervalMs } = placement;
      const name = nameOf({ event, groupKey });
      const found = groups.get(name);
      if (found === undefined)
        groups.set(name, { event, groupKey, dueInMs: 0, firstDueMs: dueMs, intervalMs });
      else {
        found.firstDueMs = Math.min(found.firstDueMs, dueMs);
        found.intervalMs = Math.min(found.intervalMs, intervalMs);
      }
    }
    return [...groups]
      .map(([name, { event, groupKey, firstDueMs, intervalMs }]) => ({
        event,
        groupKey,
        dueInMs: groupDueMs(firstDueMs, intervalMs, this.#flushed.get(name)?.atMs) - nowMs,
      }))
      .sort((a, b) => a.dueInMs - b.dueInMs)
      .slice(0, limit);
  }

  async next(limit: number): Promise<readonly QueuedNotification[]> {
    const items = this.#firstOfEpisodes().slice(0, limit);
    for (const { id } of items) this.#inHand.add(id);
    return items;
  }

  async group(group: GroupName, names: number): Promise<QueuedGroup> {
    const all = this.#firstOfEpisodes().filter((each) => isOf(group, each));
    for (const { id } of all) this.#inHand.add(id);
    return { first: all.slice(0, names), total: all.length, lastId: all.at(-1)?.id ?? 0 };
  }

  async confirm(ids: readonly number[], outcome: DeliveryOutcome): Promise<void> {
    const done = new Set(ids);
    this.#take(({ id }) => done.has(id), outcome);
  }

  async confirmGroup(group: GroupName, { lastId }: QueuedGroup, outcome: DeliveryOutcome): Promise<void> {
    const first = new Set(this.#firstOfEpisodes().map(({ id }) => id));
    this.#flush(group);
    this.#take((each) => each.id <= lastId && first.has(each.id) && isOf(group, each), outcome);
  }

  #flush(group: GroupName): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [name, { atMs, intervalMs }] of this.#flushed)
      if (nowMs - atMs >= intervalMs) this.#flushed.delete(name);
    const intervalMs = this.#waiting.find((each) => isOf(group, each))?.placement.intervalMs ?? 0;
    if (intervalMs > 0) this.#flushed.set(nameOf(group), { atMs: nowMs, intervalMs });
  }

  #take(isDone: (each: Waiting) => boolean, outcome: DeliveryOutcome): void {
    const done = this.#waiting.filter(isDone);
    const gone = new Set(done.map(({ id }) => id));
    this.#waiting = this.#waiting.filter(({ id }) => !gone.has(id));
    if (outcome !== 'sent') return;
    this.#unrecorded.push(...done.map(({ notification, route }) => ({ notification, route })));
    // What is removed here may be sent once more from the stored queue.
    this.#unrecorded.splice(0, Math.max(0, this.#unrecorded.length - this.#max));
  }

  #firstOfEpisodes(): Waiting[] {
    const seen = new Set<string>();
    return this.#waiting.filter(({ notification: { alertId } }) => {
      if (seen.has(alertId)) return false;
      seen.add(alertId);
      return true;
    });
  }
}

export const keyOf = ({ alertId, seq }: NotificationKey): string => `${alertId} ${seq}`;

const nameOf = ({ event, groupKey }: GroupName): string => `${event} ${groupKey}`;

const isOf = (group: GroupName, { notification, placement }: Waiting) =>
  group.event === notification.event && group.groupKey === placement.groupKey;
