import type { AlertNotification } from '../../core/alert/model.ts';
import type { Kind, KindCount } from '../../core/notify/grouping.ts';
import type { NotificationKey } from '../../ports/alerts.ts';
import type {
  DeliveryOutcome,
  QueuedGroup,
  QueuedNotification,
  SinkQueue,
} from '../../ports/notification.ts';

/**
 * Notifications of one sink that are not in the database yet: it is away. Bounded: the oldest are removed first, and they
 * are not lost, since they are queued in the database with their rows.
 */
export class MemoryQueue implements SinkQueue {
  readonly #max: number;
  #waiting: QueuedNotification[] = [];
  #unrecorded: AlertNotification[] = [];
  #nextId = 1;
  /** What was taken out to be sent, and which of it is in the stored queue by now. */
  readonly #inHand = new Set<number>();
  readonly #orphans = new Set<number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** How many were removed. */
  push(notifications: readonly AlertNotification[]): number {
    for (const notification of notifications) this.#waiting.push({ id: this.#nextId++, notification });
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

  /** What was taken out is settled, or was not accepted. */
  letGo(): void {
    this.#waiting = this.#waiting.filter(({ id }) => !this.#orphans.has(id));
    this.#inHand.clear();
    this.#orphans.clear();
  }

  /** Sent, and not yet marked in the database. */
  get unrecorded(): readonly AlertNotification[] {
    return this.#unrecorded;
  }

  recorded(count: number): void {
    this.#unrecorded.splice(0, count);
  }

  async kinds(): Promise<readonly KindCount[]> {
    const kinds = new Map<string, { event: Kind['event']; alertType: string; count: number }>();
    for (const { notification } of this.#waiting) {
      const { event, alertType } = notification;
      const found = kinds.get(`${event} ${alertType}`);
      if (found === undefined) kinds.set(`${event} ${alertType}`, { event, alertType, count: 1 });
      else found.count++;
    }
    return [...kinds.values()];
  }

  async next(limit: number, except: readonly Kind[]): Promise<readonly QueuedNotification[]> {
    const items = this.#firstOfEpisodes()
      .filter(({ notification }) => !except.some((kind) => isOf(kind, notification)))
      .slice(0, limit);
    for (const { id } of items) this.#inHand.add(id);
    return items;
  }

  async group(kind: Kind, names: number): Promise<QueuedGroup> {
    const all = this.#firstOfEpisodes().filter(({ notification }) => isOf(kind, notification));
    for (const { id } of all) this.#inHand.add(id);
    const first = all.slice(0, names).map(({ notification }) => notification);
    return { first, total: all.length, lastId: all.at(-1)?.id ?? 0 };
  }

  async confirm(ids: readonly number[], outcome: DeliveryOutcome): Promise<void> {
    const done = new Set(ids);
    this.#take(({ id }) => done.has(id), outcome);
  }

  async confirmGroup(kind: Kind, { lastId }: QueuedGroup, outcome: DeliveryOutcome): Promise<void> {
    const first = new Set(this.#firstOfEpisodes().map(({ id }) => id));
    this.#take(({ id, notification }) => id <= lastId && first.has(id) && isOf(kind, notification), outcome);
  }

  #take(isDone: (each: QueuedNotification) => boolean, outcome: DeliveryOutcome): void {
    const done = this.#waiting.filter(isDone);
    const gone = new Set(done.map(({ id }) => id));
    this.#waiting = this.#waiting.filter(({ id }) => !gone.has(id));
    if (outcome !== 'sent') return;
    this.#unrecorded.push(...done.map(({ notification }) => notification));
    // What is removed here may be sent once more from the stored queue.
    this.#unrecorded.splice(0, Math.max(0, this.#unrecorded.length - this.#max));
  }

  #firstOfEpisodes(): QueuedNotification[] {
    const seen = new Set<string>();
    return this.#waiting.filter(({ notification: { alertId } }) => {
      if (seen.has(alertId)) return false;
      seen.add(alertId);
      return true;
    });
  }
}

export const keyOf = ({ alertId, seq }: NotificationKey): string => `${alertId} ${seq}`;

const isOf = (kind: Kind, { event, alertType }: AlertNotification) =>
  kind.event === event && kind.alertType === alertType;
