import type { Micros, Millis } from './reading.ts';

interface Span {
  readonly fromUs: Micros;
  untilUs: Micros;
  /** How far the clock of this span was behind the right time, as far as that is known by now. */
  behindUs: Micros;
}

/**
 * Arrivals of this process before its first contact with the database, whose clock is the one to go by. A board without a
 * clock of its own stamps them with 1970, or with its last shutdown; they wait in the spool, and get the right time when
 * they drain. Spans of one clock each: the system's clock may be set meanwhile.
 */
export class EarlyArrivals {
  private readonly spans: Span[];
  private isSettled = false;

  constructor(startMs: Millis) {
    this.spans = [{ fromUs: startMs * 1000, untilUs: Infinity, behindUs: 0 }];
  }

  /** The system's clock was set; it would show `wasMs`. It is taken for better than before. */
  clockSet(wasMs: Millis, nowMs: Millis): void {
    if (this.isSettled) return;
    this.end(wasMs, nowMs - wasMs);
    this.spans.push({ fromUs: nowMs * 1000, untilUs: Infinity, behindUs: 0 });
  }

  /** The first contact. `differenceMs`: how far the right time is ahead of the system's; 0 where that is right. */
  settle(systemMs: Millis, differenceMs: number): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.end(systemMs, differenceMs);
  }

  /** The right time of an arrival; another time is left as it is. */
  corrected(arrivalUs: Micros): Micros {
    const span = this.spans.find(({ fromUs, untilUs }) => arrivalUs >= fromUs && arrivalUs < untilUs);
    return span === undefined || !this.isSettled ? arrivalUs : arrivalUs + span.behindUs;
  }

  private end(untilMs: Millis, behindMs: number): void {
    const last = this.spans.at(-1);
    // Arrivals are stamped more finely than the clock: the whole last millisecond.
    if (last !== undefined) last.untilUs = (untilMs + 1) * 1000;
    for (const span of this.spans) span.behindUs += Math.round(behindMs * 1000);
  }
}
