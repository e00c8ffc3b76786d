import type { NotificationEvent } from '../alert/model.ts';
import type { Millis } from '../reading.ts';

/** Notifications of one kind: the same news of the same alert type. */
export interface KindCount {
  readonly event: NotificationEvent;
  readonly alertType: string;
  /** How many wait. */
  readonly count: number;
}

export type Kind = Pick<KindCount, 'event' | 'alertType'>;

export interface GroupingRules {
  /** More than so many of one kind within the window are told as one. */
  readonly over: number;
  readonly windowMs: Millis;
}

export interface GroupingPlan {
  /** To be told as one, now. */
  readonly grouped: readonly KindCount[];
  /** To be told as one when their window is over; until then they wait. */
  readonly held: readonly Kind[];
  /** When the first of those windows is over; Infinity if none waits. */
  readonly wakeMs: Millis;
}

interface Window {
  readonly startedMs: Millis;
  sent: number;
}

/**
 * A thousand sensors that fall silent are one piece of news. The first few of a kind go out one by one and at once; what
 * comes on top of them within the window is told together when it ends. What arrives all together is told at once.
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

  /** `count` of a kind went out; a group fills its window. */
  sent(kind: Kind, count: number, nowMs: Millis): void {
    const window = this.#windows.get(keyOf(kind));
    if (window === undefined) this.#windows.set(keyOf(kind), { startedMs: nowMs, sent: count });
    else window.sent += count;
  }
}

const keyOf = ({ event, alertType }: Kind) => `${event} ${alertType}`;
