import type { Millis } from '../../reading.ts';

/** Whose deadline it is; at the same moment by sensor, then by metric, so that a run can be repeated. */
export interface TimerOwner {
  armedMs: Millis;
  /** What may explain others comes before them. */
  readonly precedes: boolean;
  readonly sensorId: number;
  readonly metric: string;
}

interface Entry<T> {
  readonly dueMs: Millis;
  readonly owner: T;
}

/**
 * A binary heap of "look at this one no later than then". An owner may be looked at early and for nothing: what is
 * due is asked of the owner itself, and it is armed again. So nothing has to be taken out when a deadline moves away,
 * which is what a deadline does with each reading.
 */
export class Timers<T extends TimerOwner> {
  private readonly heap: Entry<T>[] = [];

  /** The earliest moment at which anything may be due; Infinity if nothing waits. */
  get nextMs(): Millis {
    return this.heap[0]?.dueMs ?? Infinity;
  }

  arm(owner: T, dueMs: Millis): void {
    if (dueMs >= owner.armedMs) return;
    owner.armedMs = dueMs;
    this.push({ dueMs, owner });
  }

  /** The next owner to look at, or undefined when none is due. It is not armed any more. */
  take(nowMs: Millis): T | undefined {
    for (;;) {
      const top = this.heap[0];
      if (top === undefined || top.dueMs > nowMs) return undefined;
      this.pop();
      // An owner that was armed for an earlier time since then has another entry.
      if (top.owner.armedMs !== top.dueMs) continue;
      top.owner.armedMs = Infinity;
      return top.owner;
    }
  }

  private push(entry: Entry<T>): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(entry, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = entry;
  }

  private pop(): void {
    const { heap } = this;
    const moved = heap.pop();
    if (moved === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      let next = left;
      const right = heap[left + 1];
      const leftEntry = heap[left];
      if (right !== undefined && leftEntry !== undefined && isBefore(right, leftEntry)) next = left + 1;
      const child = heap[next];
      if (child === undefined || !isBefore(child, moved)) break;
      heap[at] = child;
      at = next;
    }
    heap[at] = moved;
  }
}

/** Most deadlines after a start are one and the same moment: comparing must cost nothing. */
function isBefore(a: Entry<TimerOwner>, b: Entry<TimerOwner>): boolean {
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs;
  return isAhead(a.owner, b.owner);
}

export function isAhead(one: TimerOwner, other: TimerOwner): boolean {
  if (one.precedes !== other.precedes) return one.precedes;
  return one.sensorId < other.sensorId || (one.sensorId === other.sensorId && one.metric < other.metric);
}
