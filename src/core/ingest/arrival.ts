import type { Micros } from '../reading.ts';

/** A clock that is set back by more than this was wrong before: arrivals follow it instead of standing still. */
const STEP_BACK_US = 60_000_000;

/**
 * The times of arrival of one process: no two are the same, and each is later than the one before. A reading without a
 * time of its own is stored under it, and (sensor, time) is the key of a reading: two messages that arrive within one
 * tick of the clock must not become one.
 */
export class Arrivals {
  private lastUs: Micros = -Infinity;

  /** `nowUs`: the wall clock, as finely as it is known. */
  stamp(nowUs: Micros): Micros {
    const stepped = nowUs < this.lastUs - STEP_BACK_US;
    this.lastUs = stepped ? nowUs : Math.max(nowUs, this.lastUs + 1);
    return this.lastUs;
  }
}
