import type { Millis } from '../../core/reading.ts';
import type { NewDevice, Sensor } from '../../ports/sensors.ts';

/** Time in which it must have sent from the new place alone. */
export const MOVED_AFTER_MS = 60_000;
/** Sensors that may be moving; more at once are followed later. */
const MOST = 10_000;

interface Candidate {
  readonly location: string;
  readonly sinceMs: Millis;
}

/** `moving`: it sends from elsewhere, for less than a minute; `back`: from where it was, though it had sent from elsewhere. */
export type Move = 'none' | 'moving' | 'moved' | 'back';

/**
 * Tells a sensor that has moved to another topic from two devices of one key in two places: the former sends from its new place
 * alone.
 */
export class SensorMoves {
  readonly #candidates = new Map<number, Candidate>();

  note(sensor: Sensor, { location }: NewDevice, nowMs: Millis): Move {
    if (sensor.followsTopic !== true || location === undefined) return 'none';
    const { id } = sensor;
    const before = this.#candidates.get(id);
    if (location === sensor.location) return this.#candidates.delete(id) ? 'back' : 'none';
    if (before?.location !== location) {
      if (before === undefined && this.#candidates.size >= MOST) return 'none';
      this.#candidates.set(id, { location, sinceMs: nowMs });
      return 'moving';
    }
    if (nowMs - before.sinceMs < MOVED_AFTER_MS) return 'moving';
    this.#candidates.delete(id);
    return 'moved';
  }
}
