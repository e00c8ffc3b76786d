import type { NotificationEvent } from '../alert/model.ts';
import type { Millis } from '../reading.ts';

/** Notifications of one kind: the same event of the same alert type. */
export interface KindCount {
  readonly event: NotificationEvent;
  readonly alertType: string;
  /** How many are waiting. */
  readonly count: number;
}

export type Kind = Pick<KindCount, 'event' | 'alertType'>;

export interface GroupingRules {
  /** More than this many of one kind within the window are grouped. */
  readonly over: number;
  readonly windowMs: Millis;
}

export interface GroupingPlan {
  /** Groups to be sent now. */
  readonly grouped: readonly KindCount[];
  /** Kinds to be grouped when their window is over; they wait until then. */
  readonly held: readonly Kind[];
  /** When the first of those windows is over; Infinity if none is waiting. */
  readonly wakeMs: Millis;
}

interface Window {
  readonly startedMs: Millis;
  sent: number;
}

/**
 * Groups notifications: a thousand silent sensors are one message. The first few of a kind are sent one by one and at
 * once; the rest within the window is sent as a group when it ends. A burst that arrives at once is grouped at once.
 */
export class Grouping {
  readonly #rules: GroupingRules;
  readonly #windows = new Map<string, Window>();

  constructor(rules: GroupingRules) {
    this.#rules = rules;
  }

  plan(kinds: readonly KindCount[], nowMs: Millis): GroupingPlan {
    for (const [key, { startedMs }] of this.#windows)
      if (nowMs - startedMs >= this.#rules.windowMs) this.#windows.delete(key);
    const grouped: KindCount[] = [];
    const held: Kind[] = [];
    let wakeMs = Infinity;
    for (const kind of kinds) {
      const window = this.#windows.get(keyOf(kind));
      if ((window?.sent ?? 0) + kind.count <= this.#rules.over) continue;
      if (window === undefined) grouped.push(kind);
      else {
        held.push(kind);
        wakeMs = Math.min(wakeMs, window.startedMs + this.#rules.windowMs);
      }
    }
    return { grouped, held, wakeMs };
  }

  /** `count` of a kind were sent; a group fills its window. */
  sent(kind: Kind, count: number, nowMs: Millis): void {
    const window = this.#windows.get(keyOf(kind));
    if (window === undefined) this.#windows.set(keyOf(kind), { startedMs: nowMs, sent: count });
    else window.sent += count;
  }
}

const keyOf = ({ event, alertType }: Kind) => `${event} ${alertType}`;
